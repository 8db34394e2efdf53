import pytest
import torch
from safetensors.torch import save_file

from dtvideo.errors import ModelError
from dtvideo.models.loras import check_lora

LAYER = "down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
DOTTED = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"


def kohya(layer=LAYER, width=32, **more):
    halves = {"lora_down": torch.ones(2, width), "lora_up": torch.ones(16, 2)}
    named = {f"lora_unet_{layer}.{half}.weight": value for half, value in halves.items()}
    return {**named, **{f"lora_unet_{layer}.{key}": value for key, value in more.items()}}


def checked(tmp_path, weights):
    save_file(weights, tmp_path / "a.safetensors")
    return check_lora(tmp_path / "a.safetensors", text_width=32)


@pytest.mark.parametrize("down", ["lora_A.weight", "lora.down.weight"])
def test_whole_loras_of_every_form_are_taken_with_and_without_alpha(tmp_path, down):
    up = down.replace("A", "B").replace("down", "up")
    dotted = {f"{DOTTED}.{down}": torch.ones(2, 32), f"{DOTTED}.{up}": torch.ones(16, 2)}
    for weights in (kohya(), kohya(alpha=torch.tensor(1.0)), dotted):
        assert checked(tmp_path, weights).keys() == weights.keys()


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({f"lora_unet_{LAYER}.hada_w1_a": torch.ones(2, 2)}, r"is a LoHa, no LoRA.*merge it"),
        ({f"lora_unet_{LAYER}.lokr_w1": torch.ones(2, 2)}, r"is a LoKr, no LoRA"),
        ({"model.first.weight": torch.ones(2)}, r"is not a LoRA: its 1 weights begin with model"),
        (
            {f"lora_unet_{LAYER}.lora_down.weight": torch.ones(2, 32)},
            rf"lacks lora_unet_{LAYER}\.lora_up\.weight · fetch it again",
        ),
        ({f"{DOTTED}.lora_B.weight": torch.ones(16, 2)}, r"lacks unet.*\.lora_A\.weight"),
        (kohya(width=2048), r"reads words of width 2048, the model's have 32 · give a LoRA of thi"),
        (
            {f"{DOTTED}.lora_{half}.weight": torch.ones(2, 768) for half in "AB"},
            r"reads words of width 768",
        ),
    ],
    ids=["LoHa", "LoKr", "none", "half of kohya", "half of diffusers", "kohya", "diffusers"],
)  # fmt: skip
def test_m5_an_odd_file_is_told_what_it_is(tmp_path, weights, told):
    with pytest.raises(ModelError, match=rf"M5.*a\.safetensors: {told}"):
        checked(tmp_path, weights)
