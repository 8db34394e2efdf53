"""Everyone who was found in a clip, and what found them."""

from dataclasses import dataclass
from fractions import Fraction

from poses.frames import in_words
from poses.types import Pose


@dataclass(frozen=True, eq=False)
class Detections:
    """Everyone found in a clip: people[k] belongs to frame k.

    size (width, height) in pixels; rate in frames per second; detector, licence and device
    say what found them and where it ran; cuts are the first frames of new shots.
    """

    people: tuple[tuple[Pose, ...], ...]
    size: tuple[int, int]
    rate: Fraction = Fraction(25)
    detector: str = ""
    licence: str = ""
    device: str = ""
    cuts: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.people)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many people were found in each frame."""
        return tuple(len(found) for found in self.people)

    @property
    def empty_frames(self) -> tuple[int, ...]:
        """The frames in which nobody was found."""
        return tuple(frame for frame, count in enumerate(self.counts) if count == 0)

    def describe(self) -> str:
        """Say in one line what ran, on what device, under which licence, and what it found."""
        empty = self.empty_frames
        found = f"people in {len(self) - len(empty)} of {len(self)} frames"
        most = f", up to {max(self.counts)} at once" if max(self.counts, default=0) > 1 else ""
        gaps = f", nobody in frames {in_words(empty)}" if empty else ""
        return f"{self.detector} on {self.device} ({self.licence}): {found}{most}{gaps}"
