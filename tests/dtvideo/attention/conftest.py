"""Small networks of random weights, for the tests of what is installed in them."""

import pytest

from tests.tiny_models import tiny_controlnet, tiny_unet


@pytest.fixture(scope="module")
def unet():
    return tiny_unet()


@pytest.fixture(scope="module")
def controlnet():
    return tiny_controlnet()
