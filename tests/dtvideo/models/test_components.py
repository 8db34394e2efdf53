"""Parts load whole from the files they were saved to; what loaders say becomes our errors."""

import pytest
import torch

from dtvideo.errors import ModelError, ResourceError, explained
from dtvideo.models.components import explained_loading, load_component
from tests.tiny_models import tiny_text_encoder, tiny_tokenizer, tiny_unet


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


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_weights_in_several_files_are_all_loaded(tmp_path, part, variant):
    saved = tiny_unet() if part == "unet" else tiny_text_encoder(tiny_tokenizer())
    saved.save_pretrained(tmp_path, variant=variant, max_shard_size="50KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    kind = (type(saved).__module__.partition(".")[0], type(saved).__name__)
    loaded = load_component(tmp_path, kind, dtype=torch.float32).state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in saved.state_dict().items())
