"""Presets through the real loader, swapped autoencoders, and the words of `dtvideo models`."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

import cli
from dtvideo.errors import ModelError
from dtvideo.latents import decode_latents, encode_picture
from dtvideo.models.presets import presets
from pipelines.animate import AnimationPipeline
from pipelines.job import RenderJob
from pipelines.load_model import describe_model, load_model, load_pipeline
from tests.hub import REVISION, in_cache
from tests.tiny_models import (
    tiny_components,
    tiny_controlnet,
    tiny_unet,
    tiny_vae,
    tiny_xl_components,
)


@pytest.fixture(autouse=True)
def apart(no_network, empty_hub_cache):
    """Every test of this file is without network, and with a hub cache of its own."""


def fetched(cache, name):
    """Lay tiny models into the cache as if a preset had been fetched."""
    preset = presets()[name]
    is_xl = preset.layout == "sdxl"
    parts = tiny_xl_components() if is_xl else tiny_components()
    parts.pop("controlnet").save_pretrained(in_cache(cache, preset.controlnet))
    plain = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    whole = (
        StableDiffusionXLPipeline(**parts, add_watermarker=False)
        if is_xl
        else StableDiffusionPipeline(**parts, **plain)
    )
    whole.save_pretrained(in_cache(cache, preset.model))
    if preset.vae is not None:
        tiny_vae(seed=77).save_pretrained(in_cache(cache, preset.vae))
    return preset


@pytest.mark.parametrize("name", presets())
def test_a_preset_brings_its_controlnet_autoencoder_and_sampler(name, empty_hub_cache):
    preset = fetched(empty_hub_cache, name)
    pipeline = load_pipeline(name)
    assert pipeline.controlnet is not None
    other = tiny_vae(seed=77 if preset.vae else 2).decoder.conv_in.weight
    assert torch.equal(pipeline.vae.decoder.conv_in.weight, other)
    config = pipeline.scheduler.config
    wanted = dict(preset.scheduler or {"class": "DDIMScheduler", "prediction_type": "epsilon"})
    assert type(pipeline.scheduler).__name__ == wanted.pop("class")
    assert {key: config[key] for key in wanted} == wanted


def test_the_side_car_names_the_files_and_revision_of_a_preset(empty_hub_cache):
    fetched(empty_hub_cache, "animexl")
    job = RenderJob(reference=Path("hero.png"), poses=Path("dance.json"), model="animexl")
    described = describe_model(job, load_model(job))
    assert (described["kind"], described["revision"]) == ("preset", REVISION)
    assert set(described["sha256"]) == {
        "text_encoder/model.safetensors",
        "text_encoder_2/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "--controlnet/diffusion_pytorch_model.safetensors",
        "--vae/diffusion_pytorch_model.safetensors",
    }


def test_m1_a_preset_that_was_not_fetched_says_how(empty_hub_cache):
    with pytest.raises(ModelError, match="M1") as caught:
        load_pipeline("sd15")
    assert "dtvideo models fetch sd15" in caught.value.remedy
    fetched(empty_hub_cache, "animexl")
    shutil.rmtree(next(empty_hub_cache.glob("models--madebyollin*")))
    with pytest.raises(ModelError, match=r"M1.*madebyollin/sdxl-vae-fp16-fix"):
        load_pipeline("animexl")


@pytest.fixture
def model(tmp_path):
    """A folder with a ControlNet in it."""
    AnimationPipeline(**tiny_components()).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_an_autoencoder_by_name_replaces_the_models_own(model, tmp_path):
    tiny_vae(seed=77).save_pretrained(tmp_path / "vae")
    pipeline = load_pipeline(str(model), vae=str(tmp_path / "vae"))
    assert torch.equal(pipeline.vae.encoder.conv_in.weight, tiny_vae(77).encoder.conv_in.weight)


def test_a_tiny_autoencoder_sends_pictures_there_and_back(model, tmp_path):
    torch.manual_seed(0)
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    tiny.save_pretrained(tmp_path / "vae")
    pipeline = load_pipeline(str(model), vae=str(tmp_path / "vae"))
    assert pipeline.vae_scale_factor == 2
    picture = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    with torch.inference_mode():
        latents = encode_picture(pipeline.vae, picture, device="cpu")
        decoded = decode_latents(pipeline.vae, latents, frame=0)
    assert latents.shape == (1, 4, 8, 12)
    assert decoded.shape == picture.shape


def test_m5_an_autoencoder_of_other_latents_is_refused(model, tmp_path):
    AutoencoderTiny(
        latent_channels=16,
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ).save_pretrained(tmp_path / "vae")
    with pytest.raises(ModelError, match=r"M5.*has 16 latent channels, the model 4"):
        load_pipeline(str(model), vae=str(tmp_path / "vae"))


def test_m6_what_is_no_autoencoder_is_refused(model):
    with pytest.raises(ModelError, match=r"M6.*UNet2DConditionModel.*known are AutoencoderKL"):
        load_pipeline(str(model), vae=str(model / "unet"))


def run(capsys, *words):
    with pytest.raises(SystemExit) as caught:
        cli.main(["models", *map(str, words)])
    out, err = capsys.readouterr()
    return caught.value.code, out, err


def test_list_tells_what_is_here(capsys, empty_hub_cache):
    fetched(empty_hub_cache, "sd15")
    code, out, _ = run(capsys, "list")
    assert code == 0
    lines = out.splitlines()
    assert "sd15: Stable Diffusion 1.5; 512 pixels, 2.9 GB as half floats" in lines
    model = "  model: stable-diffusion-v1-5/stable-diffusion-v1-5 (creativeml-openrail-m), here"
    assert model in lines
    assert any("Laxhar/noobai-XL-Vpred-1.0" in line and "not fetched" in line for line in lines)


def test_verify_prints_a_hash_per_file(capsys, model):
    code, out, err = run(capsys, "verify", model)
    assert code == 0
    assert len(out.splitlines()) == 4
    assert all(len(line.split("  ")[0]) == 64 for line in out.splitlines())
    assert err.count("nobody here knows the hash") == 4


def test_verify_tells_pickles_that_it_does_not_look_at(capsys, model):
    pickle = model / "unet" / "diffusion_pytorch_model.bin"
    pickle.write_bytes(b"x")
    code, _, err = run(capsys, "verify", model)
    assert code == 0
    assert err.splitlines()[-1] == f"{pickle}: a pickle, which is neither checked nor ever loaded"


@pytest.mark.parametrize("name", ["nosuch", "a/b/c", "./here"])
def test_a_name_that_the_hub_cannot_have_is_not_asked_for(capsys, name):
    code, out, err = run(capsys, "fetch", "owner/name", name)
    assert (code, out) == (4, "")
    assert err == (
        f"error[M1]: {name}: is neither a preset nor a hub id"
        f" · give {', '.join(presets())} or a hub id such as owner/name\n"
    )


def test_m5_verify_refuses_a_preset_of_another_size(capsys, empty_hub_cache):
    fetched(empty_hub_cache, "sd15")
    code, _, err = run(capsys, "verify", "sd15")
    assert code == 4
    assert "error[M5]" in err


def test_transfer_writes_a_controlnet_that_loads(capsys, model, tmp_path):
    tiny_unet(seed=5).save_pretrained(tmp_path / "new")
    tiny_controlnet().save_pretrained(tmp_path / "guide")
    words = ("transfer", tmp_path / "guide", "--from", model, "--to", tmp_path / "new")
    target = tmp_path / "result"
    code, out, _ = run(capsys, *words, "-o", target)
    assert (code, out.strip()) == (0, str(target))
    pipeline = load_pipeline(str(model), controlnet=str(target))
    files = (tmp_path / "guide", model / "unet", tmp_path / "new")
    guide, old, new = (load_file(f / "diffusion_pytorch_model.safetensors") for f in files)
    name = "conv_in.weight"
    assert torch.equal(pipeline.controlnet.conv_in.weight, guide[name] + (new[name] - old[name]))
    assert run(capsys, *words, "-o", target)[0] == 8
    assert run(capsys, *words, "-o", target, "--overwrite")[0] == 0


def test_m1_transfer_between_what_is_no_model_is_refused(capsys, model, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "whole.safetensors")
    words = ("transfer", model, "--from", model, "--to", tmp_path / "whole.safetensors")
    code, _, err = run(capsys, *words, "-o", tmp_path / "x")
    assert code == 4
    assert "has no folder unet" in err


def test_m1_fetch_respects_the_offline_switch(capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    code, _, err = run(capsys, "fetch", "someone/model")
    assert code == 4
    assert "unset HF_HUB_OFFLINE" in err
