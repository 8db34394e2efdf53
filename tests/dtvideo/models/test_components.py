"""What loaders say is a damaged model's fault, unless memory was used up."""

import pytest
import torch

from dtvideo.errors import ModelError, ResourceError, explained
from dtvideo.models.components import explained_loading


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        MemoryError(),
    ],
)
def test_f4_too_little_memory_is_no_damaged_model(tmp_path, error):
    with pytest.raises(type(error)) as caught, explained_loading(tmp_path):
        raise error
    told = explained(caught.value, when_memory_lacks="take less")
    assert isinstance(told, ResourceError)
    assert told.code == "F4"


def test_m5_what_does_not_fit_is_a_damaged_model(tmp_path):
    with pytest.raises(ModelError, match=r"M5.*cannot be loaded: size mismatch"):
        with explained_loading(tmp_path):
            raise RuntimeError("size mismatch")
