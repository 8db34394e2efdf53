import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from dtvideo import seeds
from dtvideo.errors import UsageError
from dtvideo.frame_names import frame_path, is_sequence
from pipelines import job
from pipelines.character_job import MAX_SEED
from pipelines.job import RenderJob

ROOT = Path(__file__).parents[2]


def make_job(**changes):
    settings = {"reference": Path("hero.png"), "driver": Path("dance.mp4"), **changes}
    return RenderJob(**settings)


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("steps", 0, "--steps"),
        ("steps", 100_000, "--steps"),
        ("seed", -1, "--seed"),
        ("seed", 2**64, "--seed"),
        ("reference_weight", -1.0, "--ref-weight"),
        ("reference_weight", math.nan, "--ref-weight"),
        ("previous_weight", math.inf, "--prev-weight"),
        ("reference_guidance", -2.0, "--ref-guidance"),
        ("text_guidance", -7.5, "--text-guidance"),
        ("reference_probability", 1.5, "--ref-probability"),
        ("size", (0, 128), "--size"),
        ("size", (128, 100_000), "--size"),
        ("rate", Fraction(0), "--fps"),
        ("frames", (10, 5), "--frames"),
        ("cache_memory", -1, "--cache-memory"),
        ("loras", (("style.safetensors", 99.0),), "--lora style.safetensors"),
        ("audio", "loud", "--audio"),
        ("dtype", "int8", "--dtype"),
        ("memory", "tiny", "--memory"),
        ("guidance", "wild", "--guidance"),
        ("output", Path("movie.avi"), "-o"),
        ("output", Path("shot.%s.png"), "-o"),
        ("output", Path("shot.%04d.jpg"), "-o"),
        ("output", Path("shot.%04d.mp4"), "-o"),
        ("output", Path("shot.png"), "-o"),
    ],
)
def test_a_value_that_cannot_be_honoured_is_refused_by_its_flag(field, value, flag):
    with pytest.raises(UsageError) as caught:
        make_job(**{field: value})
    assert caught.value.code == "M11"
    assert caught.value.subject == flag
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"driver": None}, "no motion is given"),
        ({"poses": Path("poses/")}, "both a video and --poses"),
        ({"driver": None, "poses": Path("p.json"), "background": "driver"}, "driving video"),
        ({"background": "alpha"}, "cannot hold transparency"),
        ({"driver": Path("walk.BVH")}, "walk.BVH: holds poses, not frames"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, told):
    with pytest.raises(UsageError, match=told):
        make_job(**changes)


def test_the_largest_seed_is_the_one_that_noise_can_use():
    assert MAX_SEED == seeds.MAX_SEED
    assert make_job(seed=MAX_SEED).seed == MAX_SEED


@pytest.mark.parametrize(
    ("output", "sidecar"),
    [
        (None, "hero_dance.json"),
        ("x.mp4", "x.json"),
        ("a/shot.v002.mov", "a/shot.v002.json"),
        ("a/shot.%04d.png", "a/shot.json"),
        ("a/%06d.png", "a/hero_dance.json"),
        ("a#1.####.png", "a#1.json"),
        ("take#2.mp4", "take#2.json"),
        ("frames", "frames/hero_dance.json"),
    ],
)
def test_companions_lie_beside_the_result_and_never_look_like_a_frame(output, sidecar):
    made = make_job(output=output and Path(output))
    assert made.beside(".json") == Path(sidecar)
    assert "%" not in str(made.beside(".sheet.png"))


@pytest.mark.parametrize("name", ["100%", "a#b", "take.%04d", "shot.####"])
def test_percent_and_hash_in_the_names_of_movies_are_letters(name, tmp_path):
    made = make_job(driver=Path(f"{name}.mp4"))
    assert made.target == Path(f"hero_{name}.mp4")
    assert made.beside(".json") == Path(f"hero_{name}.json")
    assert not is_sequence(made.target)
    (tmp_path / f"{name}.mp4").write_text("from an earlier day")
    assert make_job(output=tmp_path / f"{name}.mp4", overwrite=True).encoding.kind == "movie"


def test_percent_and_hash_before_the_number_of_a_frame_are_letters():
    made = make_job(driver=Path("a#b 5%d.mp4"), profile="png")
    assert made.target == Path("hero_a#b 5%d.%04d.png")
    assert frame_path(made.target, 7) == Path("hero_a#b 5%d.0007.png")
    assert made.beside(".json") == Path("hero_a#b 5%d.json")


def test_the_default_result_is_named_after_picture_and_video():
    assert make_job(driver=Path("/clips/walk.v2.mp4")).target == Path("hero_walk.v2.mp4")
    assert make_job(driver=None, poses=Path("/clips/walk/")).target == Path("hero_walk.mp4")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", (5, 5)),
        ("5-9", (5, 9)),
        ("5-", (5, None)),
        ("-9", (0, 9)),
    ],
)
def test_frame_ranges_are_read(text, value):
    assert job.parse_frames(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("25", Fraction(25)),
        ("30000/1001", Fraction(30000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        ("12.5", Fraction(25, 2)),
    ],
)
def test_frame_rates_are_exact_fractions(text, value):
    assert job.parse_rate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("driver", "driver"),
        ("white", (255, 255, 255)),
        ("#10ff00", (16, 255, 0)),
    ],
)
def test_backgrounds_are_read(text, value):
    assert job.parse_background(text) == value


def test_sizes_loras_and_amounts_are_read():
    assert job.parse_size("161x121") == (161, 121)
    assert job.parse_lora("C:style.safetensors:0.5") == ("C:style.safetensors", 0.5)
    assert job.parse_lora("style.safetensors") == ("style.safetensors", 1.0)
    assert job.parse_bytes("1.5G") == 3 * 2**29
    assert job.parse_bytes("800") == 800


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (job.parse_size, "big"),
        (job.parse_frames, "-"),
        (job.parse_frames, "1-5y"),
        (job.parse_rate, "0/0"),
        (job.parse_rate, "fast"),
        (job.parse_background, "#12"),
        (job.parse_lora, "style:much"),
        (job.parse_bytes, "4X"),
    ],
)
def test_words_that_cannot_be_read_are_quoted_in_the_refusal(parse, text):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert repr(text) in str(caught.value)
    assert caught.value.remedy


def test_every_setting_is_listed_as_a_plain_value():
    import json

    settings = make_job(rate=Fraction(25), size=(64, 64), background=(1, 2, 3)).settings()
    assert json.loads(json.dumps(settings))["rate"] == "25"
    assert set(settings) == set(RenderJob.__dataclass_fields__)


def test_paths_may_be_text():
    told = (  # in a process of its own: here the types of arguments are checked
        "from pipelines.job import RenderJob\n"
        "job = RenderJob(reference='a.png', driver='b.mp4', output='c.mkv', matte='m')\n"
        "print(repr(job.reference), repr(job.driver), repr(job.output), repr(job.matte))"
    )
    made = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True)
    assert made.stdout == "PosixPath('a.png') PosixPath('b.mp4') PosixPath('c.mkv') 'm'\n"


@pytest.mark.parametrize("ending", ["/", ".mkv", ".webp", ".gif", ".%04d.png", ".%04d.exr"])
def test_what_holds_transparency_is_named_where_something_does_not(ending):
    paths = {"reference": Path("a.png"), "driver": Path("b.mp4"), "background": "alpha"}
    RenderJob(**paths, output=Path(f"x{ending}") if ending != "/" else Path("x"))
    with pytest.raises(UsageError) as refused:
        RenderJob(**paths, output=Path("x.mp4"))
    assert ending.removeprefix(".%04d") in refused.value.remedy
