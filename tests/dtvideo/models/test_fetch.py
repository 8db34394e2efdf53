"""Fetching, from a hub that a thread of the test plays."""

import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from dtvideo.errors import ModelError
from dtvideo.models.fetch import fetch, wanted_files
from dtvideo.models.sources import find_model
from dtvideo.models.verify import verify_file

COMMIT = "1" * 40
FOLDER = [
    "README.md",
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "safety_checker/model.safetensors",
    "unet_onnx/model.onnx",
    "v1-5-pruned.safetensors",
    "../outside.safetensors",
]
CONFIGURATION = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "vae/config.json",
]


def test_of_a_model_its_configuration_and_each_weight_once_are_wanted():
    vae = "vae/diffusion_pytorch_model.safetensors"
    half = wanted_files(FOLDER)
    assert half == sorted([*CONFIGURATION, "unet/diffusion_pytorch_model.fp16.safetensors", vae])
    whole = wanted_files(FOLDER, half=False)
    assert whole == sorted([*CONFIGURATION, "unet/diffusion_pytorch_model.safetensors", vae])


def test_half_weights_in_several_files_are_told_from_whole_ones():
    half = [f"diffusion_pytorch_model.fp16-0000{part}-of-00002.safetensors" for part in (1, 2)]
    whole = [name.replace(".fp16", "") for name in half]
    assert wanted_files([*half, *whole]) == half
    assert wanted_files([*half, *whole], half=False) == whole


def test_of_a_part_alone_its_own_files_are_wanted():
    names = ["config.json", "diffusion_pytorch_model.safetensors", "x.ckpt", "images/a.json"]
    assert wanted_files(names) == ["config.json", "diffusion_pytorch_model.safetensors"]


def test_m3_a_model_of_pickles_is_not_fetched():
    with pytest.raises(ModelError, match="M3"):
        wanted_files(["config.json", "diffusion_pytorch_model.bin"])


SMALL = {
    "config.json": b'{"a": 1}',
    "diffusion_pytorch_model.safetensors": b"\x02" + bytes(7) + b"{}",
}


class Hub(BaseHTTPRequestHandler):
    """The few answers of the hub that fetching a small model takes."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.server.silent_about in self.path:
            self.server.ended.wait(60)
            return
        if "/resolve/" in self.path and self.server.out_of_order:
            self.server.out_of_order -= 1
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        name = self.path.rpartition("/")[2]
        if self.path.startswith("/api/models/someone/pose"):
            siblings = [{"rfilename": each} for each in [*SMALL, "README.md"]]
            answer = {"id": "someone/pose", "sha": COMMIT, "siblings": siblings}
            self.answer(json.dumps(answer).encode(), {"Content-Type": "application/json"})
        elif self.path.startswith("/someone/pose/resolve/") and name in SMALL:
            tag = hashlib.sha256(SMALL[name]).hexdigest()
            self.answer(SMALL[name], {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def answer(self, body, headers):
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *details):
        """Be silent."""


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.silent_about, server.ended = [], "nothing", Event()
    server.out_of_order = 0  # how many times files are answered with 503
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


def address(server):
    return f"http://127.0.0.1:{server.server_port}"


def test_a_fetched_model_is_found_offline_and_has_the_hubs_hash(hub, empty_hub_cache):
    told = []
    folder = fetch("someone/pose", endpoint=address(hub), on_file=lambda *news: told.append(news))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == SMALL
    assert find_model("someone/pose").path == folder
    assert verify_file(folder / "diffusion_pytorch_model.safetensors").matched
    assert told == [
        ("config.json", 0, 2),
        ("diffusion_pytorch_model.safetensors", 1, 2),
        ("someone/pose", 2, 2),
    ]


def test_what_is_there_is_not_fetched_again(hub, empty_hub_cache):
    fetch("someone/pose", endpoint=address(hub))
    hub.asked.clear()
    fetch("someone/pose", endpoint=address(hub))
    assert [path for path in hub.asked if "/resolve/" in path] == []


def test_m1_a_model_that_the_hub_does_not_have_is_named(hub, empty_hub_cache):
    with pytest.raises(ModelError, match=r"M1.*someone/other: could not be fetched") as caught:
        fetch("someone/other", endpoint=address(hub))
    assert caught.value.exit_code == 4


def test_m1_a_hub_that_stays_silent_is_not_waited_for(hub, empty_hub_cache, monkeypatch):
    monkeypatch.setattr("dtvideo.models.fetch.TIMEOUT_SECONDS", 0.5)
    hub.silent_about = "/api/models/"
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"M1.*someone/pose: could not be fetched"):
        fetch("someone/pose", endpoint=address(hub))
    assert time.monotonic() - start < 8
    assert len(hub.asked) == 1


def test_m1_a_hub_that_falls_silent_about_a_file_is_not_waited_for(
    hub, empty_hub_cache, monkeypatch
):
    """Its own client would ask seven times, for six minutes."""
    monkeypatch.setattr("dtvideo.models.fetch.TIMEOUT_SECONDS", 0.5)
    hub.silent_about = "safetensors"
    start = time.monotonic()
    with pytest.raises(ModelError) as caught:
        fetch("someone/pose", endpoint=address(hub))
    assert time.monotonic() - start < 8
    assert str(caught.value) == (
        "error[M1]: someone/pose: the hub has not answered about "
        "diffusion_pytorch_model.safetensors"
        " for 0.5 s · check the network, or try again later: what is fetched is kept"
    )
    assert caught.value.exit_code == 4
    hub.silent_about = "config.json"  # which is here already: it is asked about no more
    assert (fetch("someone/pose", endpoint=address(hub)) / "config.json").is_file()


def test_a_hub_that_is_out_of_order_for_a_moment_is_asked_again(hub, empty_hub_cache):
    hub.out_of_order = 2
    assert fetch("someone/pose", endpoint=address(hub)).is_dir()


def test_m1_a_hub_that_cannot_be_reached_is_told_in_one_line(empty_hub_cache):
    with pytest.raises(ModelError, match=r"M1.*check the name and the network") as caught:
        fetch("someone/pose", endpoint="http://127.0.0.1:9")
    assert "\n" not in str(caught.value)
