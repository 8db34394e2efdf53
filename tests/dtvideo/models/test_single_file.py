import json

import pytest
import torch
from safetensors.torch import save_file

from dtvideo.models.single_file import LAYOUTS, open_single_file

MARKS = {
    "sd15": ("model.diffusion_model.out.2.bias",),
    "sdxl": ("model.diffusion_model.out.2.bias", "conditioner.embedders.1.model.ln_final.bias"),
}


@pytest.mark.parametrize("family", MARKS)
def test_a_single_file_needs_no_folder_beside_it(tmp_path, family):
    path = tmp_path / "anything.safetensors"
    save_file({name: torch.zeros(4) for name in MARKS[family]}, path)
    index = open_single_file(path)
    assert (index.family, index.folder) == (family, LAYOUTS / family)


def test_a_folder_beside_a_single_file_is_asked_first(tmp_path):
    path = tmp_path / "anything.safetensors"
    save_file({name: torch.zeros(4) for name in MARKS["sd15"]}, path)
    beside = tmp_path / "anything"
    beside.mkdir()
    index = json.loads((LAYOUTS / "sd15" / "model_index.json").read_text())
    (beside / "model_index.json").write_text(json.dumps({**index, "defaults": {"steps": 7}}))
    assert open_single_file(path).folder == beside
    assert open_single_file(path).defaults == {"steps": 7}
