"""One clip: frames asked for one by one, and the pipeline given back at the end."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from dtvideo.attention import CachePlan, install_self_subject_attention
from dtvideo.errors import UsageError
from dtvideo.subject import SubjectEncoderAttention, install_subject_attention
from pipelines.clip_settings import ClipSettings
from pipelines.frame import FrameRenderer, OnProgress, OnStepEnd
from pipelines.frame_state import FrameState, Subject
from pipelines.reference_features import ReferenceFeatures
from poses.types import Pose

if TYPE_CHECKING:
    from pipelines.base import AnimationBase

Image = UInt8[np.ndarray, "h w 3"]


class Clip:
    """Frames of one character, rendered one after another as they are asked for.

    Iterating yields (index, image); pose k drives frame k. From the first frame on the
    pipeline's attention belongs to this clip; the last frame, an exception, `close` or leaving
    the `with` block give it back. `state` is what another clip needs to `start` where this ended.
    """

    def __init__(
        self,
        pipeline: "AnimationBase",
        subject: Subject,
        poses: Iterable[Pose],
        *,
        settings: ClipSettings,
        features: ReferenceFeatures | None = None,
        on_step_end: OnStepEnd | None = None,
        progress: OnProgress | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.subject = subject
        self.settings = settings
        self.state = FrameState()
        self.cache_plan: CachePlan | None = None
        self._poses = poses
        self._features = features
        self._on_step_end = on_step_end
        self._progress = progress
        self._frames: Generator[tuple[int, Image], None, None] | None = None

    def start(self, state: FrameState) -> "Clip":
        """Go on at the frame of a state; the poses are still those of the whole clip.

        Raises: UsageError M11 when the clip is already under way.
        """
        if self._frames is not None:
            raise UsageError("M11", "clip", "is already under way", "open another one to start")
        self.state = state
        return self

    def close(self) -> None:
        """Give the pipeline its own attention back and forget the reference features."""
        if self._frames is not None:
            self._frames.close()

    def __enter__(self) -> "Clip":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[int, Image]]:
        if self._frames is None:
            self._frames = self._render()
        return self._frames

    def _render(self) -> Generator[tuple[int, Image], None, None]:
        pipeline, first = self.pipeline, self.state.index
        with open_renderer(
            pipeline,
            self.subject,
            settings=self.settings,
            features=self._features,
            on_step_end=self._on_step_end,
            progress=self._progress,
        ) as renderer:
            self.cache_plan = renderer.cache_plan
            for index, pose in enumerate(self._poses):
                if pipeline.interrupt:
                    return
                if index >= first:
                    image, self.state = renderer.render(pose, self.state)
                    yield index, image


@contextmanager
def open_renderer(
    pipeline: "AnimationBase",
    subject: Subject,
    *,
    settings: ClipSettings,
    features: ReferenceFeatures | None = None,
    on_step_end: OnStepEnd | None = None,
    progress: OnProgress | None = None,
) -> Iterator[FrameRenderer]:
    """Install the method in a pipeline and yield what renders its frames.

    features: those of the clip before, used again when they are of the same character.
    On leaving, also by an exception, the pipeline's attention is its own again.
    """
    with ExitStack() as stack:
        stack.callback(pipeline.maybe_free_model_hooks)
        attention = stack.enter_context(
            install_self_subject_attention(pipeline.unet, pipeline.controlnet)
        )
        lent = (features or ReferenceFeatures()).lent_to(
            attention.cache, pipeline, subject, settings
        )
        yield FrameRenderer(
            pipeline,
            subject,
            settings=settings,
            attention=attention,
            features=stack.enter_context(lent),
            subject_attention=_subject_attention(pipeline, settings, stack),
            on_step_end=on_step_end,
            progress=progress or _ignore,
        )


def _subject_attention(
    pipeline: "AnimationBase", settings: ClipSettings, stack: ExitStack
) -> SubjectEncoderAttention | None:
    """Let the U-Net look at the subject encoder's tokens, where there is an encoder."""
    encoder = pipeline.subject_encoder
    if encoder is None or settings.beta == 0:
        return None
    return stack.enter_context(install_subject_attention(pipeline.unet, encoder))


def _ignore(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
