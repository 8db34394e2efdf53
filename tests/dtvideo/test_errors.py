import pytest
import torch

from dtvideo.errors import MediaError, lacks_memory


def test_f4_what_the_machine_and_its_gpu_say_of_memory_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55, dtype=torch.uint8)
    assert lacks_memory(caught.value)
    assert lacks_memory(MemoryError())
    assert lacks_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not lacks_memory(RuntimeError("shapes do not fit"))
    assert not lacks_memory(MediaError("V2", "out of memory.mp4", "is no video"))
