import numpy as np
import pytest

from dtvideo.training.found import Found


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_what_was_found_is_kept_to_the_bit_and_is_found_once(kind):
    array = (np.random.default_rng(1).random((5, 7)) * 255).astype(kind)
    found, searches = Found(), []

    def find():
        searches.append(1)
        return array.copy()

    for _ in range(3):
        again = found.get("a", find)
        assert again.dtype == kind
        assert np.array_equal(again, array)
        again[:] = 0  # whoever has it may write on it
    assert len(searches) == 1


def test_no_more_is_kept_than_fits():
    random, searches = np.random.default_rng(2), []

    def find(key):
        searches.append(key)
        return random.random(100, np.float32)

    found = Found(most_bytes=1000)
    for key in (0, 1, 2, 3, 0, 1, 2, 3):
        found.get(key, lambda key=key: find(key))
    assert searches == [0, 1, 2, 3, 2, 3]
