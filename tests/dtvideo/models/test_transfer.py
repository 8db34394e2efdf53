import pytest
import torch
from diffusers import ControlNetModel
from safetensors.torch import load_file, save_file

from dtvideo.errors import ModelError
from dtvideo.models.transfer import transfer
from tests.tiny_models import tiny_controlnet, tiny_unet

FILE = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folders(tmp_path):
    """A ControlNet, the U-Net it was made for, and another U-Net."""
    parts = (tiny_controlnet(), tiny_unet(), tiny_unet(seed=5))
    names = ("controlnet", "old", "new")
    for name, part in zip(names, parts, strict=True):
        part.save_pretrained(tmp_path / name)
    return tmp_path


def carried(folders, **options):
    return transfer(
        folders / "controlnet",
        old_unet=folders / "old",
        new_unet=folders / "new",
        output=folders / "result" / FILE,
        **options,
    )


def weights(folder):
    return load_file(folder / FILE)


def test_what_came_from_the_base_moves_by_the_difference_of_the_bases(folders):
    count = carried(folders)
    guide, old, new = (weights(folders / name) for name in ("controlnet", "old", "new"))
    result = weights(folders / "result")
    assert set(result) == set(guide)
    from_base = [name for name in guide if name in old]
    assert count == len(from_base) > 20
    for name in guide:
        moved = new[name] - old[name] if name in old else torch.zeros_like(guide[name])
        torch.testing.assert_close(result[name], guide[name] + moved, rtol=0, atol=0)


def test_what_the_controlnet_adds_stays_as_it_is(folders):
    carried(folders)
    guide, result = weights(folders / "controlnet"), weights(folders / "result")
    added = [name for name in guide if name.startswith("controlnet_")]
    assert len(added) > 10
    assert all(torch.equal(result[name], guide[name]) for name in added)


def test_the_result_loads_as_a_controlnet(folders):
    carried(folders)
    ControlNetModel.from_pretrained(folders / "controlnet").save_config(folders / "result")
    loaded = ControlNetModel.from_pretrained(folders / "result")
    assert torch.equal(loaded.conv_in.weight, weights(folders / "result")["conv_in.weight"])


def test_half_precision_is_kept_and_summed_in_float32(folders):
    tiny_controlnet().half().save_pretrained(folders / "controlnet")
    carried(folders)
    guide, old, new = (weights(folders / name) for name in ("controlnet", "old", "new"))
    name = "conv_in.weight"
    expected = (guide[name].float() + (new[name] - old[name])).half()
    assert torch.equal(weights(folders / "result")[name], expected)


def test_m5_a_base_of_another_shape_is_refused_and_nothing_written(folders):
    changed = weights(folders / "new")
    changed["conv_in.weight"] = torch.zeros(1)
    save_file(changed, folders / "new" / FILE)
    with pytest.raises(ModelError, match=r"M5.*new: has conv_in.weight of \(1,\), not \(16, 4"):
        carried(folders)
    assert not (folders / "result").exists()


def test_m5_a_base_that_lacks_a_weight_is_refused(folders):
    changed = weights(folders / "old")
    del changed["conv_in.bias"]
    save_file(changed, folders / "old" / FILE)
    with pytest.raises(ModelError, match=r"M5.*old: has no conv_in.bias"):
        carried(folders)


def test_progress_counts_every_weight(folders):
    told = []
    carried(folders, on_weight=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(told), len(told)) == (len(weights(folders / "controlnet")),) * 2
