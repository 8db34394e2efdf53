import numpy as np
import pytest

from dtvideo.toon.subject_trials import subject_trials
from dtvideo.toon.world import HELD_OUT_IDENTITIES


@pytest.fixture(scope="module")
def trials():
    return list(subject_trials(2, 2, size=(64, 64)))


def test_more_characters_and_more_stances_begin_alike(trials):
    (longer, *_) = subject_trials(3, 3, size=(64, 64))
    assert longer.name == trials[0].name
    assert np.array_equal(longer.reference.image, trials[0].reference.image)
    assert np.array_equal(longer.truth(1).image, trials[0].truth(1).image)
    assert not np.array_equal(longer.truth(2).image, longer.truth(1).image)


def test_characters_are_held_out_and_are_what_their_captions_say(trials):
    assert len({trial.name for trial in trials}) == 2
    for trial in trials:
        assert trial.scene.identity.seed in HELD_OUT_IDENTITIES
        assert trial.class_word in trial.scene.caption


def test_a_picture_to_be_judged_is_the_truth_with_its_parts(trials):
    trial = trials[0]
    picture = trial.picture(1)
    (request,) = picture.requests
    assert np.array_equal(request.truth.image, trial.truth(1).image)
    assert picture.reference is trial.reference
    assert {part.name for part in picture.parts} >= {"skin"}
    figure = request.truth.mask > 0.5
    assert all((part.mask & figure).sum() > part.mask.sum() / 2 for part in picture.parts)
