"""Renders that end with an error in the middle."""

import pytest

from pipelines.background import Backdrop
from pipelines.render import render


def stop_at(monkeypatch, frame, error):
    """Let the render end with an error when it composes that frame."""
    lay, count = Backdrop.lay, iter(range(100))

    def stop(self, *arguments):
        if next(count) == frame:
            raise error
        return lay(self, *arguments)

    monkeypatch.setattr(Backdrop, "lay", stop)


def stopped(job, frame, error):
    """Run a job that ends with an error at a frame."""
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, frame, error)
        with pytest.raises(type(error)):
            render(job)
