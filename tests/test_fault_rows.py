"""The faults that must be borne have a test each, named by the row of the list: `test_f1_...`.

F and B are those of files and batches, M of models (the first seven), P of poses, R of
references, V of driving videos.
"""

import ast
from pathlib import Path

import pytest

ROWS = [
    *(f"f{row}" for row in range(1, 12)),
    *(f"m{row}" for row in range(1, 8)),
    *(f"b{row}" for row in (*range(1, 8), 9, 10)),
    *(f"p{row}" for row in range(1, 7)),
    *(f"r{row}" for row in range(1, 15)),
    *(f"v{row}" for row in range(1, 19)),
]


def rows_of(name: str) -> set[str]:
    """Return the rows that a test is named by: `test_f3_b6_what_...` stands for two."""
    rows = set()
    for word in name.removeprefix("test_").split("_"):
        if word not in ROWS:
            break
        rows.add(word)
    return rows


@pytest.fixture(scope="module")
def tested():
    trees = [ast.parse(path.read_text()) for path in Path(__file__).parent.rglob("test_*.py")]
    tests = [node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return set().union(*(rows_of(test.name) for test in tests))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_fault_list_has_a_test(tested, row):
    assert row in tested
