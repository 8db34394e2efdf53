"""Packages that detectors need: imported, or told in one line how to get."""

import os

import pytest

from poses.backends.requirement import quiet, require
from poses.errors import DetectorError


def test_a_package_that_is_there_is_returned():
    assert require("json", detector="x", install="x").loads("1") == 1


def test_a_package_that_is_not_there_is_told_with_the_command():
    with pytest.raises(DetectorError, match=r"no_such_package.*pip install that"):
        require("no_such_package", detector="x", install="that")


def test_native_chatter_is_silenced_and_standard_error_comes_back(capfd):
    with quiet():
        os.write(2, b"chatter")
    os.write(2, b"words")
    assert capfd.readouterr().err == "words"


def test_standard_error_comes_back_after_a_failure(capfd):
    with pytest.raises(KeyError), quiet():
        raise KeyError("x")
    os.write(2, b"words")
    assert capfd.readouterr().err == "words"
