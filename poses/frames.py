"""Frame numbers: runs of frames that share a property, and how they are written in words."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool


def runs(flags: Bool[np.ndarray, " t"]) -> list[tuple[int, int]]:
    """Return the (first, stop) bounds of each run of True, stop not included."""
    edges = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def shots(length: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """Return the (first, stop) bounds of each shot; a cut is the first frame of a new shot.

    Raises: ValueError when a cut is not inside the clip.
    """
    if any(not 0 < cut < length for cut in cuts):
        raise ValueError(f"cuts {list(cuts)} are not all inside a clip of {length} frames")
    bounds = [0, *sorted(set(cuts)), length]
    return list(pairwise(bounds))


def in_words(frames: Iterable[int], *, most: int = 8) -> str:
    """Write frame numbers as ranges: "3-5, 9"; after `most` ranges the rest is counted."""
    numbers = sorted(set(frames))
    starts = [k for k in range(len(numbers)) if k == 0 or numbers[k] > numbers[k - 1] + 1]
    stops = [*starts[1:], len(numbers)]
    return ranges_in_words(
        [(numbers[k], numbers[stop - 1] + 1) for k, stop in zip(starts, stops, strict=False)],
        most=most,
    )


def ranges_in_words(ranges: Sequence[tuple[int, int]], *, most: int = 8) -> str:
    """Write ranges of frames (first, stop) as `in_words` does."""
    words = [str(first) if stop == first + 1 else f"{first}-{stop - 1}" for first, stop in ranges]
    rest = sum(stop - first for first, stop in ranges[most:])
    return (", ".join(words[:most]) or "none") + (f" and {rest} more" if rest else "")
