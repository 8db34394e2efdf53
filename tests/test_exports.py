"""Every name that a package promises is there, documented, and found by a star import."""

import importlib
import inspect
import pkgutil

import pytest

import dtvideo
import pipelines
import poses

PACKAGES = (poses, dtvideo, pipelines)
MODULES = sorted(
    info.name
    for package in PACKAGES
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not info.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"


@pytest.mark.parametrize("name", MODULES)
def test_everything_listed_in_all_exists(name):
    module = importlib.import_module(name)
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported), f"{name}.{exported}"


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_and_class_says_what_it_does(name):
    module = importlib.import_module(name)
    own = [
        (key, value)
        for key, value in vars(module).items()
        if not key.startswith("_")
        and getattr(value, "__module__", None) == name
        and (inspect.isfunction(value) or inspect.isclass(value))
    ]
    silent = [key for key, value in own if not value.__doc__]
    assert not silent, f"{name} does not document {silent}"
