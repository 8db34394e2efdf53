import json
import os
import shutil
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, PNDMScheduler, StableDiffusionControlNetPipeline
from diffusers import StableDiffusionPipeline as PlainPipeline
from safetensors.torch import load_file, save_file

from dtvideo.denoise import prepare_scheduler
from dtvideo.errors import ModelError, ResourceError, UsageError
from pipelines.animate import AnimationPipeline, ClipSettings
from pipelines.load_model import (
    load_pipeline,
    make_scheduler,
)
from tests.hub import in_cache
from tests.single_file import original_checkpoint
from tests.tiny_frames import first_frame as tiny_frame
from tests.tiny_models import BLOCKS, tiny_components, tiny_controlnet

SETTINGS = ClipSettings(steps=2)
first_frame = partial(tiny_frame, settings=SETTINGS)


NO_CHECKER = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


@pytest.fixture(scope="module")
def components():
    return tiny_components()


@pytest.fixture(scope="module")
def plain_components(components):
    return {part: value for part, value in components.items() if part != "controlnet"}


@pytest.fixture(scope="module")
def own_folder(components, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    AnimationPipeline(**components, defaults={"steps": 3}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def plain_folder(plain_components, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    PlainPipeline(**plain_components, **NO_CHECKER).save_pretrained(folder)
    return folder


@pytest.fixture
def copied(own_folder, tmp_path):
    """A folder that a test may spoil."""
    return Path(shutil.copytree(own_folder, tmp_path / "model"))


@pytest.fixture(autouse=True)
def apart(no_network, empty_hub_cache):
    """Every test of this file is without network, and with a hub cache of its own."""


def change_index(folder, **entries):
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def refusal(model, **options):
    with pytest.raises((ModelError, UsageError)) as caught:
        load_pipeline(str(model), **options)
    return caught.value


def test_a_folder_of_ours_gives_the_same_frames_and_settings(components, own_folder):
    loaded = load_pipeline(str(own_folder))
    assert loaded.default_settings.steps == 3
    assert np.array_equal(first_frame(loaded), first_frame(AnimationPipeline(**components)))


def test_loading_says_nothing(own_folder, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_pipeline(str(own_folder))
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_diffusers_saved_gives_the_same_frames(components, tmp_path):
    StableDiffusionControlNetPipeline(**components, **NO_CHECKER).save_pretrained(tmp_path)
    expected = first_frame(AnimationPipeline(**components))
    assert np.array_equal(first_frame(load_pipeline(str(tmp_path))), expected)


def test_half_precision_files_are_taken_where_there_are_no_others(components, tmp_path):
    whole = StableDiffusionControlNetPipeline(**components, **NO_CHECKER)
    whole.save_pretrained(tmp_path, variant="fp16")
    assert np.array_equal(
        first_frame(load_pipeline(str(tmp_path))), first_frame(AnimationPipeline(**components))
    )


def test_a_controlnet_by_name_completes_a_plain_model(components, plain_folder, tmp_path):
    components["controlnet"].save_pretrained(tmp_path)
    loaded = load_pipeline(str(plain_folder), controlnet=str(tmp_path))
    assert np.array_equal(first_frame(loaded), first_frame(AnimationPipeline(**components)))


def test_a_controlnet_by_name_replaces_the_models_own(own_folder, tmp_path):
    tiny_controlnet(seed=9).save_pretrained(tmp_path)
    other = load_pipeline(str(own_folder), controlnet=str(tmp_path))
    assert not np.array_equal(first_frame(other), first_frame(load_pipeline(str(own_folder))))


def test_m1_a_plain_model_without_a_controlnet_says_how_to_give_one(plain_folder):
    error = refusal(plain_folder)
    assert error.code == "M1"
    assert "--controlnet" in error.remedy
    assert "or a model that has its own" in error.remedy


def test_m5_a_controlnet_of_another_family_is_refused(plain_folder, tmp_path):
    ControlNetModel(
        conditioning_embedding_out_channels=(8, 16), **{**BLOCKS, "cross_attention_dim": 48}
    ).save_pretrained(tmp_path)
    error = refusal(plain_folder, controlnet=str(tmp_path))
    assert error.code == "M5"
    assert "cross_attention_dim is 48, not 32" in error.problem


@pytest.fixture
def checkpoint(components, plain_folder, tmp_path):
    """A whole model in one file with original names, and its configuration beside it."""
    save_file(original_checkpoint(components), tmp_path / "hero.safetensors")
    beside = shutil.copytree(plain_folder, tmp_path / "hero")
    for path in beside.rglob("*.safetensors"):
        path.unlink()
    components["controlnet"].save_pretrained(beside / "controlnet")
    return tmp_path / "hero.safetensors"


def test_a_single_file_gives_the_frames_of_the_folder(components, checkpoint):
    expected = first_frame(AnimationPipeline(**components))
    assert np.array_equal(first_frame(load_pipeline(str(checkpoint))), expected)


def test_m5_a_single_file_that_lacks_weights_is_refused(checkpoint):
    weights = load_file(checkpoint)
    del weights["model.diffusion_model.out.2.bias"]
    save_file(weights, checkpoint)
    error = refusal(checkpoint)
    assert error.code == "M5"
    assert "lacks weights" in error.problem


def test_m5_a_file_that_is_no_checkpoint_names_its_first_weights(tmp_path):
    save_file({"lora_unet_down.alpha": torch.ones(1)}, tmp_path / "a.safetensors")
    error = refusal(tmp_path / "a.safetensors")
    assert error.code == "M5"
    assert "lora_unet_down.alpha" in error.problem


def test_a_hub_id_is_found_in_the_local_cache(own_folder, empty_hub_cache):
    shutil.copytree(own_folder, in_cache(empty_hub_cache, "someone/model"))
    found = first_frame(load_pipeline("someone/model"))
    assert np.array_equal(found, first_frame(load_pipeline(str(own_folder))))


def test_m1_a_hub_id_that_was_not_fetched_says_where_and_how(empty_hub_cache):
    error = refusal("someone/model")
    assert error.code == "M1"
    assert str(empty_hub_cache) in error.problem
    assert "dtvideo models fetch someone/model" in error.remedy


@pytest.mark.parametrize("part", ["vae", "unet", "tokenizer", "scheduler", "text_encoder"])
def test_m1_a_missing_part_is_named(copied, part):
    shutil.rmtree(copied / part)
    error = refusal(copied)
    assert error.code == "M1"
    assert error.subject.endswith(part)


def test_m2_a_damaged_part_is_refused(copied):
    path = copied / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    assert refusal(copied).code == "M2"


class Canary:
    """Leaves a file behind when a pickle of it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_m3_a_model_of_pickles_is_never_opened(copied, tmp_path):
    (copied / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(Canary(tmp_path / "fired"), copied / "unet" / "diffusion_pytorch_model.bin")
    assert refusal(copied).code == "M3"
    assert not (tmp_path / "fired").exists()


def test_m3_a_checkpoint_that_is_a_pickle_is_never_opened(tmp_path):
    for name in ("model.ckpt", "model.safetensors"):
        torch.save(Canary(tmp_path / "fired"), tmp_path / name)
        assert refusal(tmp_path / name).code == "M3"
    assert not (tmp_path / "fired").exists()


def test_m5_weights_of_another_shape_are_refused(copied):
    path = copied / "unet" / "config.json"
    path.write_text(
        path.read_text().replace('"cross_attention_dim": 32', '"cross_attention_dim": 48')
    )
    assert refusal(copied).code == "M5"


@pytest.mark.parametrize("part", ["vae/diffusion_pytorch_model", "text_encoder/model"])
def test_m5_missing_and_unknown_weights_are_named(copied, part):
    path = copied / f"{part}.safetensors"
    weights = load_file(path)
    first = next(iter(weights))
    renamed = {("other" if name == first else name): value for name, value in weights.items()}
    save_file(renamed, path, metadata={"format": "pt"})
    error = refusal(copied)
    assert error.code == "M5"
    assert "1 weights" in error.problem


def test_old_position_ids_are_no_fault(copied):
    path = copied / "text_encoder" / "model.safetensors"
    weights = {**load_file(path), "text_model.embeddings.position_ids": torch.arange(48)[None]}
    save_file(weights, path, metadata={"format": "pt"})
    load_pipeline(str(copied))


@pytest.mark.parametrize(
    "entries",
    [
        {"unet": ["os", "system"]},
        {"unet": ["diffusers", "AutoencoderKL"]},
        {"vae": ["my_module", "AutoencoderKL"]},
        {"scheduler": ["diffusers", "DiffusionPipeline"]},
        {"controlnet": ["pipeline", "Mine"]},
        {"_class_name": ["pipeline", "Mine"]},
        {"_class_name": "FluxPipeline"},
    ],
    ids=str,
)
def test_m6_a_class_outside_the_list_is_refused(copied, entries):
    (copied / "pipeline.py").write_text("raise SystemExit('foreign code ran')")
    change_index(copied, **entries)
    error = refusal(copied)
    assert error.code == "M6"
    assert str(next(iter(entries.values()))) in error.problem


def test_m6_a_part_whose_own_file_names_another_class_is_refused(copied):
    path = copied / "unet" / "config.json"
    path.write_text(path.read_text().replace("UNet2DConditionModel", "UNet3DConditionModel"))
    error = refusal(copied)
    assert (error.code, "UNet3DConditionModel" in error.problem) == ("M6", True)


def test_a_scheduler_that_warms_up_renders_too(components):
    pndm = PNDMScheduler.from_config(components["scheduler"].config, skip_prk_steps=True)
    assert first_frame(AnimationPipeline(**{**components, "scheduler": pndm})).std() > 1


@pytest.mark.parametrize("name", ["lcm", "tcd", "turbo", "lightning", "hyper"])
@pytest.mark.parametrize("steps", [1, 4])
def test_few_steps_begin_where_nothing_but_noise_is_left(components, name, steps):
    """The first of few steps must see pure noise, timestep 999, or the picture keeps some."""
    scheduler = make_scheduler(name, components["scheduler"])
    times = prepare_scheduler(scheduler, steps=steps).timesteps
    assert (len(times), int(times[0])) == (steps, 999)
    frame = first_frame(AnimationPipeline(**{**components, "scheduler": scheduler}))
    assert frame.std() > 1


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_number_type_reaches_every_network(own_folder, dtype):
    loaded = load_pipeline(str(own_folder), dtype=dtype)
    networks = (loaded.unet, loaded.controlnet, loaded.vae, loaded.text_encoder)
    assert {network.dtype for network in networks} == {getattr(torch, dtype)}


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_m10_a_device_that_is_not_there_is_refused(own_folder):
    with pytest.raises(ResourceError, match=r"M10.*cuda is not there.*--device cpu"):
        load_pipeline(str(own_folder), device="cuda")


@pytest.mark.parametrize("wrong", [{"device": "tpu"}, {"dtype": "int8"}])
def test_m11_an_unknown_device_or_number_type_is_refused(own_folder, wrong):
    with pytest.raises(UsageError, match=f"M11.*{next(iter(wrong.values()))}"):
        load_pipeline(str(own_folder), **wrong)


def test_a_tokenizer_in_the_older_layout_gives_the_same_tokens(copied):
    folder = copied / "tokenizer"
    expected = load_pipeline(str(copied)).tokenizer("a girl dancing").input_ids
    whole = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(whole["vocab"]))
    merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in whole["merges"])
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    assert load_pipeline(str(copied)).tokenizer("a girl dancing").input_ids == expected
