"""Every preset at its published size, with random weights, through the real way of loading.

Slow: see CONTRIBUTING for time, memory and disk. All that is written goes into a temporary folder
that is removed. Each piece is a process of its own (`tests.full_size`), and so is its peak.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dtvideo.models.clip_words import clip_tokenizer
from dtvideo.models.presets import presets
from dtvideo.models.single_file import LAYOUTS
from tests.full_size import GIGABYTE, parts_of
from tests.hub import in_cache

HOOKED = {"sd15": [16, 7], "sdxl": [70, 34]}
MOST_MEMORY, MOST_DISK = 16, 25
ROOT = Path(__file__).parents[2]


class Workshop:
    """A folder with the networks of a family, and a hub cache that leads to them."""

    def __init__(self, family, folder):
        self.family, self.folder, self.parts = family, folder, folder / "parts"
        for part in parts_of(family):
            self.do("build", family, part, self.parts / part)

    def do(self, what, *words):
        """Do a piece in a process of its own and return what it tells."""
        cache = {"HF_HUB_CACHE": str(self.folder / "hub"), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "tests.full_size", what, *map(str, words)],
            env={**os.environ, **cache, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        told = json.loads(done.stdout.splitlines()[-1])
        print(self.family, what, *words, told)
        assert told["peak"] < MOST_MEMORY
        files = [
            path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()
        ]
        assert sum(path.stat().st_size for path in files) < MOST_DISK * GIGABYTE
        return told

    def fetch(self, preset):
        """Lay a preset into the hub's cache, as a fetch would; the weights are links."""
        whole = in_cache(self.folder / "hub", preset.model)
        whole.mkdir()
        for path in (LAYOUTS / self.family).iterdir():
            (whole / path.name).symlink_to(path)
        for part in {"unet", "vae", "text_encoder", "text_encoder_2"} & set(parts_of(self.family)):
            (whole / part).unlink()
            (whole / part).symlink_to(self.parts / part)
        for part in ("tokenizer", "tokenizer_2") if self.family == "sdxl" else ("tokenizer",):
            clip_tokenizer(part).save_pretrained(whole / part)
        for part, hub_id in preset.hub_ids.items():
            home = self.folder / "hub" / f"models--{hub_id.replace('/', '--')}"
            if part != "model" and not home.exists():
                in_cache(self.folder / "hub", hub_id).symlink_to(self.parts / part)

    def render(self, model, *words):
        """Render a frame, and hold it to what every frame of the family must show."""
        told = self.do("render", model, *words)
        assert told["hooked"] == HOOKED[self.family]
        assert told["dtype"] == "torch.bfloat16"
        assert told["deviation"] > 1
        return told


@pytest.fixture(scope="module", params=HOOKED)
def workshop(request):
    with TemporaryDirectory(prefix="dtvideo-") as folder:
        yield Workshop(request.param, Path(folder))


@pytest.fixture(scope="module")
def frames(workshop):
    """What each preset of the family rendered."""
    found = {}
    for name, preset in presets().items():
        if preset.layout == workshop.family:
            workshop.fetch(preset)
            found[name] = workshop.render(name)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_preset_renders_from_the_hubs_cache(workshop, frames):
    assert set(frames) == {n for n, each in presets().items() if each.layout == workshop.family}
    for name, told in frames.items():
        scheduler = presets()[name].scheduler or {}
        assert told["prediction"] == scheduler.get("prediction_type", "epsilon")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_single_file_with_original_names_gives_the_frame_of_the_folder(workshop, frames):
    path = workshop.folder / "whole.safetensors"
    guide = workshop.parts / "controlnet"
    try:
        workshop.do("single", workshop.family, workshop.parts, path)
        if workshop.family == "sd15":
            guide = workshop.folder / "pose.safetensors"
            workshop.do("controlnet", workshop.parts, guide)
        assert workshop.render(path, guide)["frame"] == frames[workshop.family]["frame"]
    finally:
        path.unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_lora_in_kohyas_form_gives_the_frame_of_diffusers_form(workshop, frames):
    workshop.do("loras", workshop.family, workshop.parts, workshop.folder)
    found = [
        workshop.render(workshop.family, "", workshop.folder / f"{form}.safetensors")["frame"]
        for form in ("diffusers", "kohya")
    ]
    assert found[0] == found[1] != frames[workshop.family]["frame"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_lowest_memory_level_runs(workshop, frames):
    assert workshop.render(workshop.family, "", "", "low")["deviation"] > 1
