"""The built-in model's attention brings colours of the reference that nothing else tells."""

import numpy as np
import pytest
from jaxtyping import UInt8

from dtvideo.toon.subject_trials import SubjectTrial, subject_trials
from pipelines.clip import open_renderer
from pipelines.evaluate_subject import BARE, ways_to_render
from pipelines.frame_state import FrameState, Subject
from pipelines.load_model import load_pipeline

Image = UInt8[np.ndarray, "h w 3"]
CHARACTERS = 4


def exchanged(image: Image) -> Image:
    """Return a picture with red and blue exchanged: as light and dark as before, of other hues."""
    return np.ascontiguousarray(image[..., ::-1])


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline("toon")


def rendered(pipeline, trial: SubjectTrial, reference: Image) -> np.ndarray:
    """Render a moment of a motion without a coarse frame and without words."""
    shown = trial.reference
    subject = Subject(reference, shown.mask, shown.pose, prompt="", caption="")
    with open_renderer(pipeline, subject, settings=ways_to_render(pipeline)[BARE]) as renderer:
        return renderer.render(trial.truth(0).pose, FrameState())[0].astype(float)


def test_another_hue_of_the_reference_is_another_hue_of_the_result(pipeline):
    """How far results go the way of the truth: 1 is all of it, 0 a model that sees no hue."""
    gone, way = 0.0, 0.0
    for trial in subject_trials(CHARACTERS, 1):
        reference, truth = trial.reference.image, trial.truth(0)
        true_way = exchanged(truth.image).astype(float) - truth.image
        before = rendered(pipeline, trial, reference)
        after = rendered(pipeline, trial, exchanged(reference))
        gone += (truth.mask[..., None] * true_way * (after - before)).sum()
        way += (truth.mask[..., None] * true_way**2).sum()
    assert gone / way > 0.5
