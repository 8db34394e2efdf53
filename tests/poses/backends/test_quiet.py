"""What packages write to standard error is kept from it, and only as long as was asked."""

import os

import pytest

from poses.backends.quiet import quiet


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
