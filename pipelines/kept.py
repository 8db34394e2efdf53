"""What one render leaves to the next of the same process: the model, and the character."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dtvideo.images import LoadedImage
from pipelines.base import AnimationBase
from pipelines.job import RenderJob
from pipelines.load_model import describe_model, load_model
from pipelines.prepare import Reference, prepare_reference
from pipelines.reference_features import ReferenceFeatures

PER_CLIP = {
    *("reference", "driver", "poses", "output", "reference_pose", "reference_mask"),
    *("prompt", "negative_prompt", "seed", "steps", "size", "frames", "rate", "background"),
    *("profile", "studio", "room", "c2pa_cert", "c2pa_key"),
}
"""Settings that differ from clip to clip and do not touch the model."""
OF_REFERENCE = ("room", "reference_detector", "reference_person", "matte", "strict")
ROLES = {"reference", "reference pose", "reference mask", "matte"}


class Kept:
    """Holds on to the last model and the last character, for clips that share them."""

    def __init__(self) -> None:
        self.features = ReferenceFeatures()
        """What frames attend to of the last character."""
        self._last: dict[str, tuple[object, Any]] = {}

    def model(self, job: RenderJob) -> tuple[AnimationBase, dict[str, object]]:
        """Return the model of a job and its description for the side-car."""
        key = {name: told for name, told in job.settings().items() if name not in PER_CLIP}
        made: tuple[AnimationBase, dict[str, object]] = self._recall(
            "model", key, lambda: self._load(job)
        )
        return made

    def reference(
        self,
        job: RenderJob,
        loaded: LoadedImage,
        *,
        size: tuple[int, int],
        inputs: Iterable[Mapping[str, object]],
    ) -> Reference:
        """Return the character with its mask and pose; looked for once for the same contents.

        inputs: those of the side-car, with their hashes.
        """
        contents = [(each["role"], each["sha256"]) for each in inputs if each["role"] in ROLES]
        key = (contents, size, [getattr(job, name) for name in OF_REFERENCE])
        found: Reference = self._recall(
            "reference", key, lambda: prepare_reference(job, loaded, size=size)
        )
        return found

    def _recall(self, kind: str, key: object, make: Callable[[], Any]) -> Any:
        """Return what was kept for a key; else forget it before the new one is made."""
        if kind not in self._last or self._last[kind][0] != key:
            self._last.pop(kind, None)
            self._last[kind] = key, make()
        return self._last[kind][1]

    def _load(self, job: RenderJob) -> tuple[AnimationBase, dict[str, object]]:
        self.features.clear()  # there may be no room for both
        pipeline = load_model(job)
        return pipeline, describe_model(job, pipeline)
