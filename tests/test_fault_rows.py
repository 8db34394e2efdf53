"""The faults that a batch must bear have a test each, named by the row: `test_f1_...`."""

import ast
from pathlib import Path

import pytest

ROWS = [*(f"f{row}" for row in range(1, 12)), *(f"b{row}" for row in (*range(1, 8), 9, 10))]


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
