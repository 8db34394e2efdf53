"""Every way to go wrong that has a row in the fault list, through the real command."""

import json
import os
import re
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cli
from poses.io import write_clip
from poses.types import PoseSequence
from tests.drawn import dance
from tests.media import clicks, write_audio_file, write_cover

DANCE = Path(__file__).parents[2] / "examples" / "dance.mp4"
LINE = re.compile(r"error\[(\w+)\]: .+")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)


@pytest.fixture
def animate(capsys, stage, tiny_model):
    """Run the command on words; returns exit code, the error line and the printed paths."""

    def run(*words, reference=None, small=True):
        given = [str(word) for word in words]
        settings = ["--model", str(tiny_model), "--size", "32x32"] if small else []
        pose = ["--ref-pose", str(stage / "pose.json")] if small else []
        with pytest.raises(SystemExit) as left:
            cli.animate([str(reference or stage / "hero.png"), *given, *settings, *pose])
        told = capsys.readouterr()
        errors = [line for line in told.err.splitlines() if line.startswith("error")]
        assert len(errors) <= 1
        assert bool(errors) == (left.value.code != 0)
        assert "Traceback" not in told.err
        return left.value.code, errors[0] if errors else told.err, told.out.split()

    return run


def refused(outcome, *, row, code, naming):
    exit_code, line, paths = outcome
    assert exit_code == code, line
    assert LINE.fullmatch(line)[1] == row, line
    assert str(naming) in line
    assert paths == []
    return True


def test_v1_a_video_that_is_not_there(animate):
    assert refused(animate("no.mp4"), row="V1", code=3, naming="no.mp4")


def test_v1_a_folder_or_a_pipe_instead_of_a_video(animate, tmp_path):
    outcome = animate(tmp_path)
    assert refused(outcome, row="V1", code=3, naming="a folder, not a video")
    assert "--poses FOLDER" in outcome[1]
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refused(animate("pipe.mp4"), row="V1", code=3, naming="a pipe")


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "empty"), (b"hello world\n", "text"), (b"<html>404", "web page")]
)
def test_v2_a_file_that_is_no_video(animate, tmp_path, content, told):
    (tmp_path / "fake.mp4").write_bytes(content)
    assert refused(animate("fake.mp4"), row="V2", code=3, naming=told)


def test_v3_a_video_that_was_cut_off_before_its_index(animate, make_video, tmp_path):
    whole = make_video("whole.mp4", 20, size=(64, 64)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    assert refused(animate("cut.mp4"), row="V3", code=3, naming="incomplete")


def write_damaged(path):
    data = bytearray(DANCE.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    path.write_bytes(data)
    return path


def test_v4_a_video_that_is_damaged_in_the_middle(animate, tmp_path):
    outcome = animate(write_damaged(tmp_path / "damaged.mp4"))
    assert refused(outcome, row="V4", code=3, naming="last good frame")


def test_v4_the_good_frames_before_the_damage_are_kept_when_asked_for(animate, tmp_path):
    damaged = write_damaged(tmp_path / "damaged.mp4")
    last = int(re.search(r"last good frame is (\d+)", animate(damaged)[1])[1])
    code, told, _ = animate(damaged, "--on-corrupt", "keep", "--steps", "1", "-o", "head.mp4")
    assert code == 0, told
    assert "the video is damaged or cut off; only what comes before is used" in told
    sidecar = json.loads(Path("head.json").read_text())
    assert sidecar["frames"]["count"] == last + 1 < 45
    (driver,) = [one for one in sidecar["inputs"] if one["role"] == "driver"]
    assert driver["partial_input"] is True


def test_v5_a_header_that_claims_more_frames_than_there_are(animate, make_video):
    from dtvideo.video import read_frames

    frames = list(islice(read_frames(DANCE), 3))
    height, width = frames[0].shape[:2]
    path = make_video("lies.avi", frames, size=(width, height), codec="mpeg4")
    content = bytearray(path.read_bytes())
    for header, offset in ((b"avih", 16), (b"strh", 32)):
        place = content.index(header) + 8 + offset
        content[place : place + 4] = (5000).to_bytes(4, "little")
    path.write_bytes(content)
    code, told, _ = animate(path, "-o", "short.mp4")
    assert code == 0, told
    line = "the video ended before its header says: it holds 3 frames in 0.12 s of 200.00 s"
    assert line in told
    sidecar = json.loads(Path("short.json").read_text())
    assert sidecar["frames"]["count"] == 3
    assert any(line in warning for warning in sidecar["warnings"])


def test_v7_frames_that_the_clip_does_not_have(animate):
    outcome = animate(DANCE, "--frames", "500-510")
    assert refused(outcome, row="V7", code=3, naming="frame 500 does not exist")


def test_v6_a_file_with_sound_only(animate, tmp_path):
    write_audio_file(tmp_path / "song.m4a", clicks(0.5, [0.1]), "aac")
    assert refused(animate("song.m4a"), row="V6", code=3, naming="sound only")
    write_cover(tmp_path / "cover.m4a")
    assert refused(animate("cover.m4a"), row="V6", code=3, naming="no video track")


def test_v7_one_frame_is_enough(animate):
    code, told, paths = animate(DANCE, "--frames", "5", "-o", "one.mp4")
    assert code == 0, told
    assert paths == ["one.mp4", "one.json", "one.sheet.png"]
    assert json.loads(Path("one.json").read_text())["frames"]["count"] == 1


@pytest.mark.parametrize("name", ["100%.mp4", "a#b.mp4", "%04d.mp4"])
def test_v18_percent_and_hash_in_the_name_of_a_video(animate, name):
    Path(name).write_bytes(DANCE.read_bytes())
    code, told, paths = animate(name, "--frames", "0")
    assert code == 0, told
    stem = name.removesuffix(".mp4")
    assert paths == [f"hero_{stem}.mp4", f"hero_{stem}.json", f"hero_{stem}.sheet.png"]
    assert all(Path(path).is_file() for path in paths)


def test_v9_a_turned_video_is_upright(animate, make_video):
    """Its pose, its size and its pictures are those of the upright video, bit for bit."""
    from dtvideo.video import read_frames

    upright = list(islice(read_frames(DANCE), 2))
    turned = [np.rot90(frame).copy() for frame in upright]
    found = {}
    for name, frames, rotation in (("upright", upright, 0), ("turned", turned, -90)):
        size = frames[0].shape[1::-1]
        lossless = {"pixels": "yuv444p", "options": {"qp": "0"}}
        make_video(f"{name}.mp4", frames, size=size, rotation=rotation, **lossless)
        code, told, _ = animate(f"{name}.mp4", "--background", "driver", "-o", f"{name}.out.mp4")
        assert code == 0, told
        found[name] = json.loads(Path(f"{name}.out.json").read_text())
    assert upright[0].shape[0] != upright[0].shape[1]
    hashes = [one["frames"]["sha256_of_rgb"] for one in found.values()]
    assert hashes[0] == hashes[1]


def test_v12_an_odd_size_is_rounded_and_told(animate, stage, tiny_model):
    words = ("--poses", stage / "dance.json", "--ref-pose", stage / "pose.json")
    model = ("--model", tiny_model, "--size", "33x37", "-o", "odd.mp4")
    code, told, _ = animate(*words, *model, small=False)
    assert code == 0, told
    assert "33x37 is rounded up to 36x40" in told


def frame_hashes(animate, picture, *words):
    """Render a picture and return the hashes of the frames, and the side-car."""
    name = f"{Path(picture).stem}.mp4"
    code, told, _ = animate(*words, "-o", name, "--overwrite", reference=picture)
    assert code == 0, told
    sidecar = json.loads(Path(name).with_suffix(".json").read_text())
    return sidecar["frames"]["sha256_of_rgb"], sidecar


def test_r1_a_turned_picture_is_upright(animate, stage, tiny_model):
    """Its pose is found, and its frames are those of the upright picture, bit for bit."""
    upright = Image.open(DANCE.parent / "hero.png").convert("RGB").crop((100, 0, 412, 512))
    upright.save("upright.png")
    turned = upright.rotate(90, expand=True)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save("turned.png", exif=exif)
    found = {}
    for name in ("upright.png", "turned.png"):
        words = ["--poses", stage / "dance.json", "--frames", "0", "--model", tiny_model]
        code, told, _ = animate(
            *words, "-o", f"{name}.mp4", "--size", "32x48", reference=name, small=False
        )
        assert code == 0, told
        found[name] = json.loads(Path(f"{name}.json").read_text())
    assert found["turned.png"]["reference"]["pose"] == "toon"
    assert found["turned.png"]["inputs"][0]["size"] == [312, 512]
    hashes = [one["frames"]["sha256_of_rgb"] for one in found.values()]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(("mode", "same_as"), [("P", "RGB"), ("1", "L"), ("LA", "RGBA")])
def test_r5_a_picture_of_another_mode_gives_the_frames_of_the_usual_one(
    animate, stage, mode, same_as
):
    with Image.open(stage / "hero.png") as hero:
        picture = hero.convert("L" if mode == "LA" else "RGB")
    if mode == "LA":
        cut = np.asarray(picture) != np.asarray(picture)[0, 0]
        picture.putalpha(Image.fromarray((cut * 255).astype(np.uint8)))
    else:
        picture = picture.quantize(16) if mode == "P" else picture.convert("1")
    assert picture.mode == mode
    picture.save("odd.png")
    picture.convert(same_as).save("usual.png")
    words = ("--poses", stage / "dance.json", "--frames", "0")
    odd, sidecar = frame_hashes(animate, "odd.png", *words)
    assert odd == frame_hashes(animate, "usual.png", *words)[0]
    laid = any("is transparent; it is laid over" in told for told in sidecar["warnings"])
    assert laid == (mode == "LA")


def test_r5_a_picture_that_is_fully_transparent(animate, stage):
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save("clear.png")
    outcome = animate("--poses", stage / "dance.json", reference="clear.png")
    assert refused(outcome, row="R5", code=3, naming="fully transparent")


def test_r8_a_truncated_picture(animate, stage):
    Image.effect_noise((200, 200), 80).convert("RGB").save("whole.jpg")
    Path("cut.jpg").write_bytes(Path("whole.jpg").read_bytes()[:3000])
    outcome = animate("--poses", stage / "dance.json", reference="cut.jpg")
    assert refused(outcome, row="R8", code=3, naming="damaged")


def test_r9_a_picture_that_would_fill_the_memory(animate, stage):
    Image.new("1", (20_000, 20_000)).save("bomb.png")
    outcome = animate("--poses", stage / "dance.json", reference="bomb.png")
    assert refused(outcome, row="R9", code=3, naming="million pixels")


def test_r13_the_content_decides_over_the_name(animate, stage):
    Path("hero.jpg").write_bytes((stage / "hero.png").read_bytes())
    code, told, _ = animate("--poses", stage / "dance.json", "--dry-run", reference="hero.jpg")
    assert code == 0, told


def test_p1_nobody_in_the_whole_clip(animate, make_video):
    make_video("empty.mp4", 3, size=(64, 64))
    assert refused(animate("empty.mp4"), row="P1", code=3, naming="in any of 3 frames")


def write_gap(path):
    body = dance(30).body.copy()
    body[10:14] = (np.nan, np.nan, 0)
    write_clip(PoseSequence(body=body, size=(64, 64)), path)


def test_p2_a_short_absence_is_bridged_and_listed(animate, tmp_path):
    write_gap(tmp_path / "absent.json")
    code, told, _ = animate("--poses", "absent.json", "--frames", "8-15", "-o", "gap.mp4")
    assert code == 0, told
    sidecar = json.loads(Path("gap.json").read_text())
    assert sidecar["frames"]["count"] == 8
    assert {repair["kind"] for repair in sidecar["driver"]["repairs"]} == {"interpolated"}
    assert any("repaired frames 2-5" in warning for warning in sidecar["warnings"])


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}',
        '{"people": [{"pose_keypoints_2d": [NaN, 1, 1]}]}',
    ],
)
def test_p6_key_points_that_cannot_be_read(animate, content):
    Path("bad.json").write_text(content)
    assert refused(animate("--poses", "bad.json"), row="P6", code=3, naming="bad.json")


def test_m1_a_model_that_is_not_there(animate, stage):
    outcome = animate("--poses", stage / "dance.json", "--model", "no-such-model", small=False)
    assert refused(outcome, row="M1", code=4, naming="no-such-model")
    assert f"looked in {Path.cwd()}" in outcome[1]
    assert "a diffusers folder" in outcome[1]


def test_m1_a_hub_model_that_was_never_fetched(animate, stage, no_network, empty_hub_cache):
    outcome = animate("--poses", stage / "dance.json", "--model", "nobody/nothing", small=False)
    assert refused(outcome, row="M1", code=4, naming="nobody/nothing")
    assert str(empty_hub_cache) in outcome[1]
    assert "dtvideo models fetch nobody/nothing" in outcome[1]


def test_m1_weights_that_are_missing_are_named(animate, stage, tiny_model, tmp_path):
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (lost,) = (model / "unet").glob("*.safetensors")
    lost.unlink()
    outcome = animate("--poses", stage / "dance.json", "--model", model, small=False)
    assert refused(outcome, row="M1", code=4, naming=model / "unet")
    assert "fetch the model again, whole" in outcome[1]


def test_m3_a_pickle_is_never_opened(animate, stage, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    outcome = animate("--poses", stage / "dance.json", "--model", "model.ckpt", small=False)
    assert refused(outcome, row="M3", code=4, naming="model.ckpt")
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["--steps", "0"], "--steps"),
        (["--text-guidance", "-1"], "--text-guidance"),
        (["--seed", str(2**64)], "--seed"),
        (["--size", "big"], "--size"),
        (["--scheduler", "magic"], "--scheduler"),
    ],
)
def test_m11_a_value_that_cannot_be_honoured(animate, stage, words, flag):
    outcome = animate("--poses", stage / "dance.json", *words)
    assert refused(outcome, row="M11", code=2, naming=flag)


def test_f7_an_output_that_is_there_and_an_output_that_is_an_input(animate, stage):
    Path("x.mp4").write_text("precious")
    words = ("--poses", stage / "dance.json", "-o")
    assert refused(animate(*words, "x.mp4"), row="F7", code=8, naming="exists already")
    Path("link.mp4").symlink_to(DANCE)
    outcome = animate(DANCE, "-o", "link.mp4", "--overwrite")
    assert refused(outcome, row="F7", code=8, naming="is the input")
    assert Path("x.mp4").read_text() == "precious"


def test_f7_a_result_that_is_there_is_skipped_when_asked_for(animate, stage):
    words = ("--poses", stage / "dance.json", "--skip-existing", "-o")
    Path("x.mp4").write_text("precious")
    code, told, paths = animate(*words, "x.mp4")
    assert code == 0, told
    assert "x.mp4 exists already; skipped" in told
    assert paths == ["x.mp4"]
    Path("x.sheet.png").touch()
    assert animate(*words, "x.mp4")[2] == ["x.mp4", "x.sheet.png"]
    assert Path("x.mp4").read_text() == "precious"
    assert animate(*words, "y.mp4", "--frames", "0")[2] == ["y.mp4", "y.json", "y.sheet.png"]
    assert Path("y.mp4").stat().st_size > 500
    outcome = animate(*words, "x.mp4", "--overwrite")
    assert refused(outcome, row="U1", code=2, naming="--skip-existing")


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_v1_poses_that_are_not_there(animate, more):
    outcome = animate("--poses", "absent.json", *more)
    assert refused(outcome, row="V1", code=3, naming="absent.json")


def test_f3_an_output_below_a_link_that_leads_nowhere(animate, stage):
    Path("away").symlink_to("nowhere")
    outcome = animate("--poses", stage / "dance.json", "-o", "away/x.mp4")
    assert refused(outcome, row="F3", code=7, naming="not a folder")
    assert os.listdir() == ["away"]


@pytest.mark.parametrize("address", ["http://x", "http:/x", "https://videos.example/a?v=b"])
def test_v17_an_address_instead_of_a_video(animate, address):
    outcome = animate(address)
    assert refused(outcome, row="V17", code=3, naming="is an address, not a file")
    assert f"{address.partition('/')[0]}//" in outcome[1]
