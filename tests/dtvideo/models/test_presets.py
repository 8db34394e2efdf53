"""Presets and the architectures that they stand for, counted on networks without weights."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

import dtvideo.models as models
from dtvideo.attention import self_attention_layers
from dtvideo.models.index import CLASSES, NEEDED, PIPELINES
from dtvideo.models.presets import presets

LAYOUTS = Path(models.__file__).parent / "layouts"
TEXT_ENCODERS = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}


def empty_networks(layout):
    """Return a family's networks at full size, their weights being shapes alone."""
    folder = LAYOUTS / layout
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder / "unet"))
        networks = {
            "unet": unet,
            "controlnet": ControlNetModel.from_unet(unet, load_weights_from_unet=False),
            "vae": AutoencoderKL.from_config(AutoencoderKL.load_config(folder / "vae")),
        }
        for part, kind in TEXT_ENCODERS.items():
            if (folder / part).is_dir():
                networks[part] = kind(CLIPTextConfig.from_pretrained(folder / part))
    return networks


@pytest.mark.parametrize("name", presets())
def test_a_preset_holds_as_many_numbers_as_its_architecture(name):
    networks = empty_networks(presets()[name].layout)
    counted = {
        part: sum(each.numel() for each in network.parameters())
        for part, network in networks.items()
    }
    assert counted == presets()[name].parameters


@pytest.mark.parametrize(
    ("layout", "in_unet", "in_controlnet"), [("sd15", 16, 7), ("sdxl", 70, 34)]
)
def test_the_self_attention_layers_of_a_family(layout, in_unet, in_controlnet):
    networks = empty_networks(layout)
    found = [len(self_attention_layers(networks[part])) for part in ("unet", "controlnet")]
    assert found == [in_unet, in_controlnet]


@pytest.mark.parametrize("name", presets())
def test_a_preset_says_where_each_part_is_from_and_under_which_licence(name):
    preset = presets()[name]
    assert set(preset.licences) == set(preset.hub_ids)
    assert all(hub_id.count("/") == 1 for hub_id in preset.hub_ids.values())
    assert preset.side == (512 if preset.layout == "sd15" else 1024)


def test_the_anime_preset_of_sdxl_predicts_velocity_down_to_no_signal():
    assert presets()["animexl"].scheduler == {
        "class": "EulerDiscreteScheduler",
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }


@pytest.mark.parametrize("layout", ["sd15", "sdxl"])
def test_an_architecture_names_known_classes_alone(layout):
    index = json.loads((LAYOUTS / layout / "model_index.json").read_text())
    assert PIPELINES[index["_class_name"]] == layout
    assert all(tuple(index[part]) in CLASSES[part] for part in NEEDED[layout])
