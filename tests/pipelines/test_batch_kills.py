"""A batch whose worker or run is killed at any moment ends as one that was left alone (row F1)."""

import random

import pytest

from tests.killing import killed_at

OPERATIONS = 242
"""How many file operations under the results the worker does for the two clips of `real`."""
WRITES = 26
"""How many statements write to the data base meanwhile."""
MOMENTS = {"worker": OPERATIONS, "driver": OPERATIONS, "states": WRITES}
ENDS = {"worker": [0], "driver": [9, 0], "states": [9, 0]}


def check_kill_points(manifest, points):
    (statuses, truth), *found = killed_at(str(manifest), [("nobody", 0), *points])
    assert statuses == [0, 0]
    assert [name for name in truth if name != "files"] == ["hero/one.json", "hero/two.json"]
    assert truth["hero/one.json"] != truth["hero/two.json"]
    expected = [(point, [ENDS[point[0]], truth]) for point in points]
    assert list(zip(points, found, strict=True)) == expected


def test_f1_a_batch_whose_worker_or_run_is_killed_ends_as_one_that_was_not(real):
    chosen = random.Random(6)
    check_kill_points(real, [(who, chosen.randint(1, last)) for who, last in MOMENTS.items()])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_f1_a_batch_killed_at_any_of_fifty_moments_ends_as_one_that_was_not(real):
    chosen = random.Random(7)
    counts = {
        "worker": chosen.sample(range(1, OPERATIONS + 1), 20),
        "driver": chosen.sample(range(1, OPERATIONS + 1), 20),
        "states": chosen.sample(range(1, WRITES + 1), 10),
    }
    check_kill_points(real, [(who, count) for who in MOMENTS for count in sorted(counts[who])])
