import pytest
import torch

from dtvideo.errors import UsageError
from dtvideo.models.placement import choose_device, choose_dtype


def test_auto_computes_in_half_precision_only_on_cuda():
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    assert choose_dtype("auto", torch.device("cuda")) == torch.float16
    assert choose_dtype("auto", torch.device("mps")) == torch.float32


def test_a_named_type_is_taken_as_it_is():
    assert choose_dtype("float32", torch.device("cuda")) == torch.float32
    assert choose_dtype("float16", torch.device("cpu")) == torch.float16


def test_auto_takes_an_accelerator_when_there_is_one():
    there = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert (choose_device("auto").type != "cpu") == there


@pytest.mark.parametrize(
    "choose", [choose_device, lambda name: choose_dtype(name, torch.device("cpu"))]
)
def test_m11_an_unknown_name_lists_the_known_ones(choose):
    with pytest.raises(UsageError, match=r"M11.*'fast' is unknown · give one of auto, "):
        choose("fast")
