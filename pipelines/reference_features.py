"""What the frames of a clip attend to of the character, kept for the next clip of the same one."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np

from dtvideo.attention import CachePlan, ReferenceCache
from dtvideo.attention.cache import Page
from pipelines.clip_settings import ClipSettings
from pipelines.frame_state import Subject
from poses.types import parts_of

if TYPE_CHECKING:
    from pipelines.base import AnimationBase

REFERENCE = "reference"


class ReferenceFeatures:
    """The features of the last character of one pipeline, whose weights must stay as they are.

    They take the memory that the clip's settings allow, until another character, other settings
    or `clear`.
    """

    def __init__(self) -> None:
        self.plan: CachePlan | None = None
        self._pages: dict[int, Page] = {}
        self._key = ""
        self._pipeline: ref[AnimationBase] | None = None

    @contextmanager
    def lent_to(
        self,
        cache: ReferenceCache,
        pipeline: "AnimationBase",
        subject: Subject,
        settings: ClipSettings,
    ) -> Iterator["ReferenceFeatures"]:
        """Put what is kept into a clip's cache if it is of this character, and take it back.

        `plan` says whether it is: without one they have to be made, and the plan set.
        """
        key = _key(subject, settings)
        if self._pipeline is None or self._pipeline() is not pipeline or key != self._key:
            self.clear()
            self._pipeline, self._key = ref(pipeline), key
        if self.plan is not None:
            cache.storage = self.plan.cache_storage
            cache.put(REFERENCE, self._pages)
        try:
            yield self
        finally:
            self._pages = cache.take(REFERENCE) if self.plan is not None else {}

    def clear(self) -> None:
        """Forget everything."""
        self.plan, self._pages, self._key, self._pipeline = None, {}, "", None


def _key(subject: Subject, settings: ClipSettings) -> str:
    """Return a hash of all that the features depend on, but for the pipeline."""
    digest = hashlib.sha256(repr((settings, subject.size, subject.caption)).encode())
    parts = parts_of(subject.pose)
    for name, array in {"picture": subject.reference, "mask": subject.mask, **parts}.items():
        given = np.zeros(0) if array is None else np.ascontiguousarray(array)
        digest.update(f"{name} {given.dtype} {given.shape} ".encode())
        digest.update(given.tobytes())
    return digest.hexdigest()
