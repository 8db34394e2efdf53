"""Models of the published sizes with random weights, made, saved and rendered in pieces.

`python -m tests.full_size WHAT ...` does one piece in a process of its own, so that its peak of
memory is its own, and prints what came of it as JSON. `tests/pipelines/test_full_size.py` puts the
pieces together.
"""

import json
import resource
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from dtvideo.attention.processors import SelfSubjectProcessor
from dtvideo.models.single_file import LAYOUTS
from pipelines.job import RenderJob
from pipelines.load_model import clip_settings, load_model
from poses.types import Pose
from tests.single_file import original_controlnet, original_names, renamed, unet_rules

DTYPE = torch.bfloat16
GIGABYTE = 1e9
SIDE = 64
RANK = 4
POOL = 1_000_003  # random numbers that all weights are made of, at different places
TEXT_ENCODERS = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}
ADAPTED = {
    "unet": ("to_q", "to_k", "to_v", "to_out.0"),
    "text_encoder": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
    "text_encoder_2": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
}
Form = str


def parts_of(family: str) -> list[str]:
    """Return the networks of a family, its ControlNet among them."""
    words = [part for part in TEXT_ENCODERS if (LAYOUTS / family / part).is_dir()]
    return ["unet", "controlnet", "vae", *words]


def empty_network(family: str, part: str) -> Any:
    """Return one network of a family at full size, its weights being shapes alone."""
    folder = LAYOUTS / family
    with torch.device("meta"):
        if part in TEXT_ENCODERS:
            return TEXT_ENCODERS[part](CLIPTextConfig.from_pretrained(folder / part))
        if part == "vae":
            return AutoencoderKL.from_config(AutoencoderKL.load_config(folder / part))
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder / "unet"))
        if part == "unet":
            return unet
        return ControlNetModel.from_unet(unet, load_weights_from_unet=False)


def build(family: str, part: str, folder: str) -> dict[str, Any]:
    """Save one network with random weights, in half the size of float32."""
    network = empty_network(family, part).to(DTYPE).to_empty(device="cpu")
    fill(network)
    network.save_pretrained(folder)
    return {"numbers": sum(weight.numel() for weight in network.parameters())}


@torch.no_grad()
def fill(network: nn.Module) -> None:
    """Give every weight numbers that keep signals at their size; norms keep them as they are."""
    pool = torch.randn(POOL, generator=torch.Generator().manual_seed(0)).to(DTYPE)
    place = 0
    for name, weight in network.named_parameters():
        if weight.ndim == 1:
            weight.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
            continue
        flat = weight.view(-1)
        for start in range(0, len(flat), POOL):
            piece = flat[start : start + POOL]
            piece.copy_(pool.roll(-place)[: len(piece)])
            place += 7919
        weight.mul_(weight[0].numel() ** -0.5)


def write_single(family: str, parts: str, path: str) -> dict[str, Any]:
    """Write a whole checkpoint into one file, with the original names."""
    weights = original_names({part: read_part(parts, part) for part in parts_of(family)})
    save_file(weights, path)
    return {"tensors": len(weights), "bytes": Path(path).stat().st_size}


def write_controlnet(parts: str, path: str) -> dict[str, Any]:
    """Write a ControlNet into one file, with the original names."""
    weights = original_controlnet(read_part(parts, "controlnet"))
    save_file(weights, path)
    return {"tensors": len(weights)}


def read_part(parts: str, part: str) -> dict[str, Tensor]:
    """Return the weights of one network, mapped from its file rather than read."""
    (file,) = (Path(parts) / part).glob("*.safetensors")
    return load_file(file)


def write_loras(family: str, parts: str, folder: str) -> dict[str, Any]:
    """Write one LoRA of U-Net and text encoders twice: in diffusers' form and in kohya's."""
    torch.manual_seed(1)
    forms: dict[Form, dict[str, Tensor]] = {"diffusers": {}, "kohya": {}}
    for part in set(parts_of(family)) & set(ADAPTED):
        for layer, (rows, columns) in adapted_layers(parts, part).items():
            down = torch.randn(RANK, columns) * columns**-0.5
            up = torch.randn(rows, RANK) * 0.3
            stem = kohya_name(family, parts, part, layer)
            forms["diffusers"][f"{part}.{layer}.lora_A.weight"] = down
            forms["diffusers"][f"{part}.{layer}.lora_B.weight"] = up
            forms["kohya"][f"{stem}.lora_down.weight"] = down
            forms["kohya"][f"{stem}.lora_up.weight"] = up
            forms["kohya"][f"{stem}.alpha"] = torch.tensor(float(RANK))
    for form, weights in forms.items():
        save_file({n: w.contiguous() for n, w in weights.items()}, f"{folder}/{form}.safetensors")
    return {"layers": len(forms["diffusers"]) // 2}


def adapted_layers(parts: str, part: str) -> dict[str, tuple[int, int]]:
    """Return the attention layers of a network that a LoRA changes, with their shapes."""
    (file,) = (Path(parts) / part).glob("*.safetensors")
    endings = tuple(f".{layer}.weight" for layer in ADAPTED[part])
    with safe_open(file, framework="pt") as opened:
        found = {
            name.removesuffix(".weight"): tuple(opened.get_slice(name).get_shape())
            for name in opened.keys()
            if name.endswith(endings)
        }
    if part != "unet" and not all(name.startswith("text_model.") for name in found):
        found = {f"text_model.{name}": shape for name, shape in found.items()}
    return found


def kohya_name(family: str, parts: str, part: str, layer: str) -> str:
    """Return what kohya's scripts call a layer; those of SDXL's U-Net by their original place."""
    is_xl = family == "sdxl"
    if part == "unet":
        if is_xl:
            names = dict.fromkeys(adapted_layers(parts, "unet"), torch.empty(0))
            rules = unet_rules(
                names | {f"down_blocks.0.resnets.{n}": torch.empty(0) for n in (0, 1)}
            )
            ((layer, _),) = renamed({layer: torch.empty(0)}, rules).items()
        return f"lora_unet_{layer.replace('.', '_')}"
    number = {"text_encoder": "1", "text_encoder_2": "2"}[part] if is_xl else ""
    return f"lora_te{number}_{layer.replace('.', '_')}"


def render(
    model: str, controlnet: str = "", lora: str = "", memory: str = "high"
) -> dict[str, Any]:
    """Load a model as `animate` does, render one small frame, and count the layers hooked."""
    job = RenderJob(
        reference=Path("hero.png"),
        poses=Path("dance.json"),
        model=model,
        controlnet=controlnet or None,
        loras=((lora, 1.0),) if lora else (),
        dtype="bfloat16",
        steps=2,
        guidance="none",
        memory=memory,
    )
    pipeline = load_model(job)
    body = np.column_stack([np.linspace(8, 56, 18), np.linspace(12, 52, 18), np.ones(18)])
    pose = Pose(body=body, size=(SIDE, SIDE))
    reference = np.full((SIDE, SIDE, 3), 90, np.uint8)
    reference[16:48, 16:48] = (200, 60, 40)
    with pipeline.open(
        reference=reference,
        reference_pose=pose,
        poses=[pose],
        prompt="a girl dancing",
        settings=clip_settings(job, pipeline),
    ) as clip:
        _, image = next(iter(clip))
        hooked = [
            sum(isinstance(each, SelfSubjectProcessor) for each in network.attn_processors.values())
            for network in (pipeline.unet, pipeline.controlnet)
        ]
    return {
        "hooked": hooked,
        "frame": sha256(image.tobytes()).hexdigest(),
        "deviation": float(image.std()),
        "scheduler": type(pipeline.scheduler).__name__,
        "prediction": pipeline.scheduler.config.prediction_type,
        "dtype": str(pipeline.unet.dtype),
    }


PIECES = {
    "build": build,
    "single": write_single,
    "controlnet": write_controlnet,
    "loras": write_loras,
    "render": render,
}


def main() -> None:
    """Do the piece that the command line names."""
    start = time.monotonic()
    torch.set_num_threads(2)
    what, *words = sys.argv[1:]
    found = PIECES[what](*words)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE
    told = {"seconds": round(time.monotonic() - start, 1), "peak": round(peak, 2)}
    print(json.dumps({**found, **told}))


if __name__ == "__main__":
    main()
