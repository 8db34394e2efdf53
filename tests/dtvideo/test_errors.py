import errno

import pytest
import torch

from dtvideo.errors import MediaError, explained, lacks_memory


def test_f4_what_the_machine_and_its_gpu_say_of_memory_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55, dtype=torch.uint8)
    assert lacks_memory(caught.value)
    assert lacks_memory(MemoryError())
    assert lacks_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert not lacks_memory(OSError(errno.ENOENT, "No such file"))
    assert lacks_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not lacks_memory(RuntimeError("shapes do not fit"))
    assert not lacks_memory(MediaError("V2", "out of memory.mp4", "is no video"))


def test_what_is_known_of_an_error_is_told_as_one_of_ours_and_a_bug_is_not():
    def told(error):
        return explained(error, when_memory_lacks="take less")

    ours = MediaError("V2", "a.mp4", "is no video")
    assert told(ours) is ours
    assert str(told(MemoryError())) == "error[F4]: memory: there is too little · take less"
    assert told(MemoryError()).exit_code == 7
    with pytest.raises(OSError, match="File name too long") as caught:
        open("n" * 300)
    assert str(told(caught.value)).startswith(f"error[F11]: {'n' * 40}...: is too long a name")
    assert told(caught.value).exit_code == 2
    assert told(RuntimeError("shapes do not fit")) is None
    assert told(OSError(5, "Input/output error")) is None
