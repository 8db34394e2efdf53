"""A cache of limited size, in memory, for what is slow to find in pictures."""

import zlib
from collections.abc import Callable, Hashable

import numpy as np

MOST_BYTES = 2**28


class Found:
    """Arrays by key, each found once and the same to the bit each time.

    most_bytes: packed, of all together; what comes when they are reached is found anew.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._held = most_bytes, 0
        self._packed: dict[Hashable, tuple[bytes, np.dtype, tuple[int, ...]]] = {}

    def get(self, key: Hashable, find: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what is kept under a key, else what `find` returns."""
        if key in self._packed:
            packed, kind, shape = self._packed[key]
            return np.frombuffer(bytearray(zlib.decompress(packed)), kind).reshape(shape)
        found = find()
        packed = zlib.compress(np.ascontiguousarray(found).tobytes(), 1)
        if self._held + len(packed) <= self._most:
            self._packed[key] = packed, found.dtype, found.shape
            self._held += len(packed)
        return found
