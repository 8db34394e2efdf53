"""Packages that not everybody needs: imported, or told in one line how to get."""

from pathlib import Path

import pytest

from dtvideo.errors import UsageError
from poses.errors import DetectorError
from poses.requirement import require

ROOT = Path(__file__).parents[2]


def test_a_package_that_is_there_is_returned():
    package = require("json", subject="x", install="x", error=UsageError)
    assert package.loads("1") == 1


@pytest.mark.parametrize("kind", [DetectorError, UsageError])
def test_a_package_that_is_not_there_is_told_by_the_error_that_was_asked_for(kind):
    with pytest.raises(kind) as caught:
        require("no_such.part", subject="--flag", install="'dtvideo[some]'", error=kind)
    assert str(caught.value) == (
        "error[M1]: --flag: cannot import no_such.part (No module named 'no_such')"
        " · run: pip install 'dtvideo[some]'"
    )


def test_nothing_else_here_tells_of_a_missing_package_in_its_own_words():
    folders = (ROOT / name for name in ("dtvideo", "pipelines", "poses"))
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    told = [path.name for path in sources if "except ImportError" in path.read_text("utf-8")]
    assert told == ["requirement.py"]
