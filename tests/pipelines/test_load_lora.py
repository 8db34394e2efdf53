from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from dtvideo.errors import ModelError
from pipelines.adapters import add_loras
from pipelines.animate import AnimationPipeline, ClipSettings
from pipelines.job import RenderJob
from pipelines.load_model import (
    describe_model,
    load_model,
    load_pipeline,
)
from tests.tiny_frames import first_frame as tiny_frame
from tests.tiny_models import tiny_components, tiny_controlnet

SETTINGS = ClipSettings(steps=2)
first_frame = partial(tiny_frame, settings=SETTINGS)


@pytest.fixture(scope="module")
def components():
    return tiny_components()


@pytest.fixture(scope="module")
def own_folder(components, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    AnimationPipeline(**components, defaults={"steps": 3}).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def apart(no_network, empty_hub_cache):
    """Every test of this file is without network, and with a hub cache of its own."""


@pytest.fixture
def lora(components, tmp_path):
    """A LoRA of the U-Net's attention, in diffusers' form, made with peft."""
    unet = tiny_components()["unet"]
    torch.manual_seed(4)
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    weights = get_peft_model_state_dict(unet)
    AnimationPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=weights, weight_name="a.safetensors"
    )
    return tmp_path / "a.safetensors"


def test_a_lora_changes_the_frames_by_its_scale(own_folder, lora):
    def frame(*scales):
        pipeline = load_pipeline(str(own_folder))
        add_loras(pipeline, [(str(lora), scale) for scale in scales])
        return first_frame(pipeline).astype(int)

    without, nothing, half, whole = frame(), frame(0.0), frame(0.5), frame(1.0)
    assert np.abs(nothing - without).max() <= 1
    assert np.abs(whole - without).mean() > 1
    assert not np.array_equal(half, whole)
    assert np.abs(frame(0.5, 0.5) - whole).max() <= 1


def test_a_lora_with_kohyas_names_does_the_same(own_folder, lora, tmp_path):
    save_file(with_kohyas_names(load_file(lora)), tmp_path / "kohya.safetensors")
    frames = []
    for path in (lora, tmp_path / "kohya.safetensors"):
        pipeline = load_pipeline(str(own_folder))
        add_loras(pipeline, [(str(path), 1.0)])
        frames.append(first_frame(pipeline))
    assert np.array_equal(*frames)


@pytest.mark.parametrize("form", ["diffusers", "kohya"])
def test_a_lora_of_the_text_encoder_as_files_name_it_changes_its_words(
    own_folder, components, tmp_path, form
):
    """Files say `text_model`, as older transformers did; kohya's scripts adapt every layer."""
    torch.manual_seed(0)
    expected, weights = {}, {}
    for name, layer in components["text_encoder"].named_modules():
        if name.endswith(("_proj", "fc1", "fc2")):
            down, up = torch.randn(2, layer.in_features), torch.randn(layer.out_features, 2)
            expected[name] = layer.weight + up @ down
            stem = f"text_model.{name}"
            if form == "diffusers":
                weights[f"text_encoder.{stem}.lora_A.weight"] = down
                weights[f"text_encoder.{stem}.lora_B.weight"] = up
            else:
                stem = f"lora_te_{stem.replace('.', '_')}"
                weights[f"{stem}.lora_down.weight"], weights[f"{stem}.lora_up.weight"] = down, up
                weights[f"{stem}.alpha"] = torch.tensor(2.0)
    save_file(weights, tmp_path / "words.safetensors")
    pipeline = load_pipeline(str(own_folder))
    add_loras(pipeline, [(str(tmp_path / "words.safetensors"), 1.0)])
    for module in pipeline.text_encoder.modules():
        if hasattr(module, "merge"):
            module.merge()
    assert len(expected) == 12
    for name, weight in expected.items():
        found = pipeline.text_encoder.get_submodule(name).base_layer.weight
        torch.testing.assert_close(found, weight, atol=1e-5, rtol=1e-5)


def with_kohyas_names(weights):
    """Rename a LoRA of the U-Net from diffusers' form."""
    kohya = {}
    for name, value in weights.items():
        layer, _, matrix = name.removesuffix(".weight").rpartition(".")
        stem = f"lora_unet_{layer.removeprefix('unet.').replace('.', '_')}"
        kohya[f"{stem}.{'lora_down' if matrix == 'lora_A' else 'lora_up'}.weight"] = value
        kohya[f"{stem}.alpha"] = torch.tensor(2.0)
    return kohya


@pytest.mark.parametrize("form", ["diffusers", "kohya"])
def test_a_lora_of_which_a_part_fits_tells_how_much_and_what_does_not(
    own_folder, lora, tmp_path, form
):
    weights = load_file(lora)
    deeper = {
        name.replace("down_blocks.0", "down_blocks.7"): value.clone()
        for name, value in weights.items()
        if ".down_blocks.0." in name
    }
    assert 0 < len(deeper) < len(weights)
    both = {**weights, **deeper}
    save_file(both if form == "diffusers" else with_kohyas_names(both), tmp_path / "b.safetensors")
    pipeline = load_pipeline(str(own_folder))
    add_loras(pipeline, [(str(lora), 0.0), (str(tmp_path / "b.safetensors"), 1.0)])
    (told,) = pipeline.notices
    assert f"b.safetensors: {len(weights)} of its {len(both)} weights fit the model" in told
    first = {"diffusers": "unet.down_blocks.7.", "kohya": "lora_unet_down_blocks_7_"}[form]
    assert told.partition("the first is ")[2].startswith(first)
    plain = load_pipeline(str(own_folder))
    add_loras(plain, [(str(lora), 1.0)])
    assert plain.notices == ()
    assert np.array_equal(first_frame(plain), first_frame(pipeline))


@pytest.mark.parametrize("form", ["diffusers", "kohya"])
def test_words_of_a_lora_for_another_text_encoder_are_told(own_folder, lora, tmp_path, form):
    """The layers of a deeper text encoder, as files name them, beside a U-Net that fits."""
    lost = []
    weights = load_file(lora) if form == "diffusers" else with_kohyas_names(load_file(lora))
    for layer in (0, 9):
        stem = f"text_model.encoder.layers.{layer}.self_attn.out_proj"
        halves = ("lora_A", "lora_B") if form == "diffusers" else ("lora_down", "lora_up")
        start = "text_encoder." if form == "diffusers" else "lora_te_"
        stem = start + (stem if form == "diffusers" else stem.replace(".", "_"))
        names = [f"{stem}.{half}.weight" for half in halves]
        weights[names[0]], weights[names[1]] = torch.ones(2, 32), torch.ones(32, 2)
        lost = names
    save_file(weights, tmp_path / "b.safetensors")
    pipeline = load_pipeline(str(own_folder))
    add_loras(pipeline, [(str(tmp_path / "b.safetensors"), 1.0)])
    (told,) = pipeline.notices
    assert told.endswith(f"the first is {lost[0]}")


def test_m5_a_lora_that_touches_nothing_names_its_weights(own_folder, tmp_path):
    halves = {f"unet.elsewhere.lora_{half}.weight": torch.ones(2, 2) for half in "AB"}
    save_file(halves, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match=r"M5.*begins with unet\.elsewhere"):
        add_loras(load_pipeline(str(own_folder)), [(str(tmp_path / "a.safetensors"), 1.0)])


def test_m5_a_lora_for_another_kind_of_network_is_no_silent_nothing(own_folder, tmp_path):
    halves = {
        f"transformer.blocks.0.attn.to_q.lora_{half}.weight": torch.ones(2, 2) for half in "AB"
    }
    save_file(halves, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match=r"M5.*none of its 2 weights fits the model"):
        add_loras(load_pipeline(str(own_folder)), [(str(tmp_path / "a.safetensors"), 1.0)])


def test_what_loaders_say_of_a_misfit_is_in_our_line_alone(own_folder, tmp_path, capfd):
    save_file({f"lora_unet_x.lora_{half}.weight": torch.ones(2, 2) for half in ("down", "up")},
              tmp_path / "a.safetensors")  # fmt: skip
    pipeline = load_pipeline(str(own_folder))
    with pytest.raises(ModelError, match=r"M5.*begins with lora_unet_x\.lora_down"):
        add_loras(pipeline, [(str(tmp_path / "a.safetensors"), 1.0)])
    assert "unsuccessful" not in capfd.readouterr().err


def test_m5_a_lora_of_another_family_is_refused(own_folder, lora):
    weights = load_file(lora)
    wider = {
        name: torch.ones(value.shape[0] * 2, value.shape[1] * 2) for name, value in weights.items()
    }
    save_file(wider, lora)
    with pytest.raises(ModelError, match="M5"):
        add_loras(load_pipeline(str(own_folder)), [(str(lora), 1.0)])


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("none.safetensors", None, "M1"), ("a.pt", b"", "M3"), ("a.safetensors", b"12", "M2")],
)
def test_a_lora_file_is_checked_like_any_other(own_folder, tmp_path, name, content, code):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        add_loras(load_pipeline(str(own_folder)), [(str(tmp_path / name), 1.0)])
    assert caught.value.code == code


def test_the_description_hashes_exactly_the_files_that_were_used(own_folder, lora, tmp_path):
    tiny_controlnet(seed=9).save_pretrained(tmp_path / "pose")
    job = RenderJob(
        reference=Path("hero.png"),
        poses=Path("dance.json"),
        model=str(own_folder),
        controlnet=str(tmp_path / "pose"),
        loras=((str(lora), 0.5),),
        scheduler="euler",
    )
    described = describe_model(job, load_model(job))
    assert set(described["sha256"]) == {
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "--controlnet/diffusion_pytorch_model.safetensors",
        "--lora/0/a.safetensors",
    }
    assert described["kind"] == "folder"
    assert described["scheduler"] == "EulerDiscreteScheduler"
