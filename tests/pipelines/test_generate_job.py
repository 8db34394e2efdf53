from pathlib import Path

import pytest

from dtvideo.errors import UsageError
from pipelines.character_job import MAX_SEED
from pipelines.generate_job import GenerateJob


def make_job(**settings):
    return GenerateJob(**{"reference": Path("hero.png"), "prompt": "a girl", **settings})


def test_pictures_are_named_after_the_reference_and_their_seed():
    job = make_job(seed=7, count=3)
    assert list(job.seeds) == [7, 8, 9]
    assert job.picture(8) == Path("hero_pictures/hero.8.png")
    assert job.beside(".json") == Path("hero_pictures/hero.json")


def test_the_weight_of_the_reference_is_the_papers_unless_it_is_given():
    assert make_job().clip_changes()["reference_weight"] == 2.5
    assert make_job(model="anything/").clip_changes()["reference_weight"] == 3.0
    assert make_job(reference_weight=1.0).clip_changes()["reference_weight"] == 1.0


def test_words_may_change_the_ground():
    assert make_job().clip_changes()["keep_ground"] is False


def test_no_picture_sees_another_one():
    changes = make_job(seed=5).clip_changes()
    assert (changes["previous_weight"], changes["shared_noise"], changes["seed"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prompt": ""}, r"U1.*generate: neither words nor a pose or depth"),
        ({"depth_controlnet": "depth/"}, r"U1.*--depth-controlnet: there is no depth"),
        ({"mask": False}, r"U1.*--no-mask: the built-in model needs to know"),
        ({"depth": Path("depth.png")}, r"U1.*--depth: the built-in model sees no depth"),
        ({"count": 0}, r"M11.*-n: 0 is out of range"),
        ({"seed": MAX_SEED}, r"M11.*--seed"),
        ({"output": Path("out.png")}, r"M11.*-o: out.png is not a folder"),
        ({"beta": 3.0}, r"M11.*--beta: 3.0"),
    ],
)
def test_what_cannot_be_made_is_refused(changes, told):
    with pytest.raises(UsageError, match=told):
        make_job(**changes)


def test_a_pose_needs_no_words():
    assert make_job(prompt="", pose=Path("pose.json")).prompt == ""
