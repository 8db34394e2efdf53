import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dtvideo.errors import MediaError, ResourceError, UsageError
from dtvideo.profiles import PROFILES
from dtvideo.video import probe, read_frames
from pipelines import space
from pipelines.job import parse_frames
from pipelines.progress import SilentProgress
from pipelines.render import plan, render
from pipelines.replay import replay
from pipelines.verify import find_faults
from tests.certificates import write_chain
from tests.media import number_of
from tests.stopping import stop_at

DANCE = Path(__file__).parents[2] / "examples" / "dance.mp4"


def told(result):
    return json.loads(result.sidecar.read_text())


@pytest.mark.parametrize(
    ("profile", "output", "first", "codec"),
    [
        ("hevc", "x.mp4", "x.mp4", "hevc"),
        ("ffv1-master", "x.mkv", "x.mkv", "ffv1"),
        ("exr", "shots", "shots/frame.1001.exr", "exr"),
        ("png", "s.####.png", "s.1001.png", "png"),
    ],
)
def test_a_render_is_delivered_in_its_profile(job, tmp_path, profile, output, first, codec):
    sequence = PROFILES[profile].kind == "frames"
    result = render(replace(job, output=tmp_path / output, profile=profile, studio=sequence))
    assert (tmp_path / first).is_file()
    with av.open(str(tmp_path / first)) as made:
        assert made.streams.video[0].codec_context.name == codec
    said = told(result)["delivery"]
    assert (said["profile"], said["rate"]) == (profile, "25")
    assert said["first_number"] == (1001 if sequence else None)
    assert find_faults(result.sidecar) == []
    assert len(told(result)["outputs"]) == (5 if sequence else 2)


@pytest.mark.parametrize("output", ["shots", "shot.v001", "s.####.png"])
def test_a_shorter_sequence_replaces_a_longer_one_whole(job, tmp_path, output):
    first = render(replace(job, output=tmp_path / output))
    folder = first.sidecar.parent
    before = sorted(folder.glob("*.000?.png"))
    own = before[0].with_name(before[0].name.replace("0000", "0009"))
    own.write_bytes(b"of somebody else")
    before[3].write_bytes(b"painted over")
    render(replace(job, output=tmp_path / output, frames=(0, 1), overwrite=True))
    assert sorted(folder.glob("*.000?.png")) == [*before[:2], before[3], own]
    assert find_faults(first.sidecar) == []


def test_another_kind_of_result_leaves_the_one_before(job, tmp_path):
    first = render(replace(job, output=tmp_path / "x.mp4"))
    frames = replace(job, output=tmp_path / "x.####.png", overwrite=True)
    assert "x.mp4: kept as it was, and no side-car tells of it any more" in render(frames).notices
    assert first.movie.exists()
    assert not any("kept as it was" in notice for notice in render(frames).notices)
    back = render(replace(job, output=tmp_path / "x.mp4", overwrite=True))
    assert "x.0000.png and 3 more: kept as it was" in "".join(back.notices)


def test_alpha_of_the_result_is_in_the_movie(job, tmp_path):
    output = tmp_path / "x.mov"
    result = render(replace(job, output=output, profile="prores4444", background="alpha"))
    with av.open(str(output)) as movie:
        alpha = next(movie.decode(video=0)).to_ndarray(format="rgba")[..., 3]
    pictures = render(replace(job, output=tmp_path / "p", background="alpha"))
    with Image.open(pictures.movie / "frame.0000.png") as picture:
        true = np.array(picture)[..., 3]
    assert true.min() == 0
    assert true.max() > 200
    np.testing.assert_allclose(alpha.astype(int), true.astype(int), atol=2)
    assert told(result)["delivery"]["alpha"] == "straight"
    assert told(result)["delivery"]["pixels"] == "yuva444p10le"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"profile": "prores4444"}, "give .mov"),
        ({"profile": "exr"}, "exr needs a folder/ or a pattern"),
        ({"profile": "hevc", "output": Path("frames")}, "hevc needs a name, .mp4"),
        ({"profile": "h265"}, "give one of h264-web, h264-review"),
        ({"profile": "hevc", "background": "alpha"}, "hevc cannot hold transparency"),
        ({"studio": True}, "the result is one file"),
        ({"c2pa_cert": Path("a.pem")}, "one is missing"),
        (
            {"c2pa_cert": Path("a"), "c2pa_key": Path("b"), "output": Path("x.webm")},
            ".webm files cannot be signed",
        ),
    ],
)
def test_what_cannot_be_delivered_is_refused_at_once(job, changes, problem):
    with pytest.raises(UsageError) as caught:
        replace(job, **changes)
    assert problem in str(caught.value)


def test_a_profile_names_a_result_that_nobody_named(job):
    assert replace(job, output=None, profile="exr").target == Path("hero_dance.%04d.exr")
    assert replace(job, output=None, profile="ffv1-master").target == Path("hero_dance.mkv")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0-6x2", "0-6x2"), ("1, 3-5", "1,3-5"), ("1 3 - 5", "1,3-5"), ("0-6x2,9", "0-6x2,9")],
)
def test_sets_of_frames_are_read(text, value):
    assert parse_frames(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0-9:2", "other tools read otherwise"),
        ("0-9y2", "other tools read otherwise"),
        ("9-0x2", "runs backwards"),
        ("5,3", "runs backwards"),
        ("0-9x", "cannot be read"),
        ("0-99999999x2", "cannot be read"),
    ],
)
def test_sets_of_frames_that_are_ambiguous_or_unreadable_are_refused(text, problem):
    with pytest.raises(UsageError, match=problem) as caught:
        parse_frames(text)
    assert caught.value.subject == "--frames"


def test_a_set_of_frames_renders_those_and_no_sound(job, tmp_path):
    whole = render(replace(job, output=tmp_path / "whole.mkv", frames=(0, 3)))
    some = render(replace(job, output=tmp_path / "some.mkv", frames="1-3x2,9"))
    assert some.frames == 2
    # the second of the four poses drives the first frame: same noise, another frame's pose
    assert told(some)["recipe"]["job"]["frames"] == "1-3x2,9"
    assert probe(some.movie).rate == probe(whole.movie).rate == Fraction(25)
    again = replay(some.sidecar, tmp_path / "again.mkv", overwrite=False, progress=SilentProgress())
    assert again.is_equal


def test_the_plates_of_a_set_are_its_own_frames(job, make_video):
    from pipelines.motion import chosen_frames, chosen_indices

    info = probe(make_video("n.mp4", 12))
    picked = replace(job, poses=None, driver=info.path, frames="2-8x3,11,40")
    assert chosen_indices(picked, info.frames) == [0, 3, 6, 9]
    assert [number_of(frame) for frame in chosen_frames(picked, info)] == [2, 5, 8, 11]


def test_a_signed_render_names_nobodys_key(job, tmp_path):
    c2pa = pytest.importorskip("c2pa")
    chain, key, _ = write_chain(tmp_path)
    result = render(replace(job, c2pa_cert=chain, c2pa_key=key))
    with c2pa.Reader(str(result.movie)) as reader:
        assert reader.get_validation_state() == "Valid"
        (manifest,) = json.loads(reader.json())["manifests"].values()
    assert [each["title"] for each in manifest["ingredients"]] == ["hero.png"]
    text = result.sidecar.read_text()
    assert "key.pem" not in text
    assert "chain.pem" not in text
    assert told(result)["delivery"]["c2pa"] is True
    assert find_faults(result.sidecar) == []
    assert len(list(read_frames(probe(result.movie)))) == 4


def test_figures_of_quality_are_in_the_side_car(job):
    figures = told(render(job))["quality"]
    assert (figures["frames"], figures["finite"]) == (4, True)
    assert (figures["blank_frames"], figures["still_frames"]) == ([], [])
    assert figures["flicker"] > 0
    assert figures["identity_delta_e"] >= 0


def test_f3_a_render_that_the_disk_cannot_hold_is_refused_before_it_starts(
    job, tmp_path, monkeypatch
):
    monkeypatch.setattr(space, "free_bytes", lambda _: 1_000_000)
    with pytest.raises(ResourceError) as caught:
        render(job)
    assert (caught.value.code, caught.value.exit_code) == ("F3", 7)
    assert "4 frames of 32x32 need up to 4 MB, 1 MB are free" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_need_of_disk_grows_with_frames_and_shrinks_with_those_kept(job):
    def need(frames, kept=0):
        return space.bytes_needed(job, size=(100, 100), frames=frames, kept=kept) - space.BESIDE

    assert need(10) == 10 * 30_000 * 1.2  # waiting as PNG, and a fifth of it as H.264
    assert need(10, kept=10) == 10 * 30_000 * 0.2
    assert "disk        up to 4 MB" in plan(job)


@pytest.mark.parametrize("key", ["other", "missing"])
def test_what_cannot_sign_is_refused_before_a_frame_is_made(job, tmp_path, monkeypatch, key):
    pytest.importorskip("c2pa")
    folder = tmp_path / key
    folder.mkdir()
    if key == "other":
        write_chain(folder)
    chain = write_chain(tmp_path)[0]
    signed = replace(job, c2pa_cert=chain, c2pa_key=folder / "key.pem")
    stop_at(monkeypatch, 0, AssertionError("a frame is composed"))
    for make in (render, plan):
        with pytest.raises((MediaError, UsageError), match=r"S1|V1"):
            make(signed)
