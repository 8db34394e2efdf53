"""Words of one's own and IP-Adapters, from their files to the frames, in both families."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cli import run, toolbox_parser
from dtvideo.errors import ModelError, UsageError
from dtvideo.images import load_image
from pipelines.adapters import add_adapters, add_embeddings, add_ip_adapters
from pipelines.animate import AnimationPipeline, ClipSettings
from pipelines.animate_xl import AnimationXLPipeline
from pipelines.job import RenderJob, job_from_plain, parse_embedding, parse_ip_adapter
from pipelines.load_model import load_pipeline
from poses.types import Pose, missing_joints
from tests.tiny_models import (
    TEXT_WIDTH,
    XL_POOLED_WIDTH,
    tiny_components,
    tiny_image_encoder,
    tiny_ip_adapter,
    tiny_subject_encoder,
    tiny_xl_components,
)

REFERENCE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
POSE = Pose(body=missing_joints(18), size=(16, 16))
SETTINGS = ClipSettings(steps=2)


@pytest.fixture(params=["sd15", "sdxl"])
def pipeline(request):
    """A tiny model of each family."""
    if request.param == "sd15":
        return AnimationPipeline(**tiny_components())
    return AnimationXLPipeline(**tiny_xl_components())


def frame(pipeline, prompt="a girl", **inputs):
    opened = pipeline.open(
        reference=inputs.get("reference", REFERENCE),
        reference_pose=POSE,
        poses=[POSE],
        prompt=prompt,
        settings=SETTINGS,
    )
    with opened as clip:
        return next(iter(clip))[1]


def write_embedding(path, pipeline, *, vectors=2, form="a1111"):
    """Write a textual inversion that fits a pipeline."""
    torch.manual_seed(3)
    if hasattr(pipeline, "text_encoder_2"):
        parts = {
            "clip_l": torch.randn(vectors, TEXT_WIDTH),
            "clip_g": torch.randn(vectors, XL_POOLED_WIDTH),
        }
    else:
        key = "emb_params" if form == "a1111" else "<rei>"
        parts = {key: torch.randn(vectors, TEXT_WIDTH).squeeze(0)}
    save_file(parts, path)
    return parts


@pytest.mark.parametrize("vectors", [1, 3])
def test_a_word_of_ones_own_stands_for_its_vectors(pipeline, tmp_path, vectors):
    parts = write_embedding(tmp_path / "rei.safetensors", pipeline, vectors=vectors)
    plain = frame(pipeline, "a rei")
    add_embeddings(pipeline, [(str(tmp_path / "rei.safetensors"), None)])
    assert not np.array_equal(frame(pipeline, "a rei"), plain)
    for number, meaning in enumerate(parts.values()):
        part = ("", "_2")[number]
        tokenizer = getattr(pipeline, f"tokenizer{part}")
        table = getattr(pipeline, f"text_encoder{part}").get_input_embeddings().weight
        words = pipeline.maybe_convert_prompt("rei", tokenizer)
        tokens = tokenizer(words, add_special_tokens=False).input_ids
        torch.testing.assert_close(table[tokens], torch.atleast_2d(meaning))


def test_a_word_is_called_by_its_file_its_own_name_or_as_one_likes(tmp_path):
    for name, form, word, called in (
        ("rei.safetensors", "a1111", None, "rei"),
        ("rei.safetensors", "diffusers", None, "<rei>"),
        ("rei.safetensors", "diffusers", "pilot", "pilot"),
    ):
        pipeline = AnimationPipeline(**tiny_components())
        write_embedding(tmp_path / name, pipeline, vectors=1, form=form)
        add_embeddings(pipeline, [(str(tmp_path / name), word)])
        assert called in pipeline.tokenizer.get_vocab()


def test_m11_a_word_that_the_model_knows_is_refused(pipeline, tmp_path):
    write_embedding(tmp_path / "girl.safetensors", pipeline, vectors=1)
    with pytest.raises(UsageError, match=r"M11.*--embedding: 'girl' is a word that the model know"):
        add_embeddings(pipeline, [(str(tmp_path / "girl.safetensors"), None)])


def test_m5_a_word_for_another_family_says_both_widths(tmp_path):
    xl, plain = AnimationXLPipeline(**tiny_xl_components()), AnimationPipeline(**tiny_components())
    path = tmp_path / "rei.safetensors"
    write_embedding(path, xl)
    with pytest.raises(ModelError, match=r"M5.*of width \[32, 48\], .* take \[32\]"):
        add_embeddings(plain, [(str(path), None)])
    write_embedding(path, plain)
    with pytest.raises(ModelError, match=r"M5.*of width \[32\], .* take \[32, 48\]"):
        add_embeddings(xl, [(str(path), None)])


@pytest.mark.parametrize("kind", ["embedding", "ip-adapter"])
@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("no.safetensors", None, "M1"), ("a.bin", b"", "M3"), ("a.safetensors", b"1", "M2")],
)
def test_files_are_checked_like_any_other(tmp_path, kind, name, content, code):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    file = str(tmp_path / name)
    job = (
        {"embeddings": ((file, None),)} if kind == "embedding" else {"ip_adapters": ((file, 1.0),)}
    )
    given = RenderJob(reference=Path("hero.png"), poses=Path("dance.json"), **job)
    pipeline = AnimationPipeline(**tiny_components())
    with pytest.raises(ModelError) as caught:
        add_adapters(pipeline, given)
    assert caught.value.code == code


def write_ip_adapter(folder: Path, unet, *, width: int = 8) -> Path:
    """Write an IP-Adapter as its authors do: one file, its vision tower in a folder beside it."""
    cross = unet.config.cross_attention_dim
    weights = tiny_ip_adapter(unet, width=width)
    flat = {f"image_proj.{name}": value for name, value in weights["image_proj"].items()}
    flat |= {f"ip_adapter.{name}": value for name, value in weights["ip_adapter"].items()}
    if cross != TEXT_WIDTH:
        torch.manual_seed(6)
        shapes = {"proj.weight": (4 * cross, width), "proj.bias": (4 * cross,)}
        shapes |= {"norm.weight": (cross,), "norm.bias": (cross,)}
        flat = {f"image_proj.{name}": torch.randn(shape) for name, shape in shapes.items()}
        for name, value in weights["ip_adapter"].items():
            flat[f"ip_adapter.{name}"] = torch.randn(value.shape[0], cross)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(flat, folder / "ip-adapter.safetensors")
    tiny_image_encoder().save_pretrained(folder / "image_encoder")
    return folder / "ip-adapter.safetensors"


def test_an_ip_adapter_sees_the_reference_and_its_scale_counts(pipeline, tmp_path):
    path = write_ip_adapter(tmp_path, pipeline.unet)
    plain = frame(pipeline)
    add_ip_adapters(pipeline, [(str(path), 0.0)])
    assert np.abs(frame(pipeline).astype(int) - plain).max() <= 1
    pipeline.set_ip_adapter_scale(1.0)
    assert np.abs(frame(pipeline).astype(int) - plain).max() > 1


def test_ip_adapter_self_subject_attention_and_subject_encoder_work_together(tmp_path):
    """Each of the three changes the frame beside the two others; all leave without a trace."""
    components = tiny_components()
    encoder = tiny_subject_encoder(components["unet"])
    for layer in encoder.modules():
        if isinstance(layer, torch.nn.Linear) and not layer.weight.any():
            torch.nn.init.normal_(layer.weight, std=0.5)
    pipeline = AnimationPipeline(**components, subject_encoder=encoder)
    path = write_ip_adapter(tmp_path, pipeline.unet)
    add_ip_adapters(pipeline, [(str(path), 1.0)])
    before = dict(pipeline.unet.attn_processors)
    hooks = [len(module._forward_pre_hooks) for module in pipeline.unet.modules()]

    def shown(scale=1.0, **changes):
        pipeline.set_ip_adapter_scale(scale)
        settings = replace(SETTINGS, beta=1.0, **changes)
        with pipeline.open(
            reference=REFERENCE, reference_pose=POSE, poses=[POSE], settings=settings
        ) as clip:
            next(iter(clip))
            return clip.state.latents

    whole = shown()
    for name, other in {
        "adapter": shown(scale=0.0),
        "attention": shown(reference_weight=0.0),
    }.items():
        assert not torch.allclose(whole, other, atol=1e-4), name
    pipeline.register_modules(subject_encoder=None)
    assert not torch.allclose(whole, shown(), atol=1e-4)
    after = pipeline.unet.attn_processors
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert hooks == [len(module._forward_pre_hooks) for module in pipeline.unet.modules()]


def test_the_vision_tower_is_found_where_the_authors_keep_it(tmp_path):
    """Adapters for SDXL that use the smaller tower lie apart from it, as h94/IP-Adapter does."""
    pipeline = AnimationXLPipeline(**tiny_xl_components())
    path = write_ip_adapter(tmp_path / "sdxl_models", pipeline.unet)
    (tmp_path / "models").mkdir()
    (path.parent / "image_encoder").rename(tmp_path / "models" / "image_encoder")
    add_ip_adapters(pipeline, [(str(path), 0.5)])
    assert pipeline.image_encoder.config.projection_dim == 8


def test_m1_an_ip_adapter_without_its_vision_tower_says_where_to_put_it(tmp_path):
    pipeline = AnimationPipeline(**tiny_components())
    path = write_ip_adapter(tmp_path, pipeline.unet, width=12)
    with pytest.raises(ModelError, match=r"M1.*no encoder of pictures that fits.*image_encoder"):
        add_ip_adapters(pipeline, [(str(path), 0.5)])


def test_m5_an_ip_adapter_of_another_family_or_none_at_all_is_refused(tmp_path):
    xl, plain = AnimationXLPipeline(**tiny_xl_components()), AnimationPipeline(**tiny_components())
    path = write_ip_adapter(tmp_path, xl.unet)
    with pytest.raises(ModelError, match=r"M5.*is 80 wide, the model's cross-attention 32"):
        add_ip_adapters(plain, [(str(path), 0.5)])
    save_file({"unet.a": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"M5.*is not an IP-Adapter.*begins with unet\.a"):
        add_ip_adapters(plain, [(str(tmp_path / "other.safetensors"), 0.5)])


def test_m5_an_ip_adapter_for_a_face_recogniser_is_refused(tmp_path):
    pipeline = AnimationPipeline(**tiny_components())
    weights = {
        "image_proj.norm.weight": torch.ones(32),
        "image_proj.proj.0.weight": torch.ones(64, 512),
        "ip_adapter.0.to_k_lora.down.weight": torch.ones(2, 32),
        "ip_adapter.1.to_k_ip.weight": torch.ones(32, 32),
    }
    save_file(weights, tmp_path / "faceid.safetensors")
    with pytest.raises(ModelError, match=r"M5.*face recogniser"):
        add_ip_adapters(pipeline, [(str(tmp_path / "faceid.safetensors"), 0.5)])


def test_both_are_written_with_what_goes_with_them():
    assert parse_embedding("a:b/rei.safetensors") == ("a:b/rei.safetensors", None)
    assert parse_embedding("rei.safetensors:<rei>") == ("rei.safetensors", "<rei>")
    assert parse_embedding("rei.safetensors:my:word") == ("rei.safetensors", "my:word")
    assert parse_ip_adapter("ip.safetensors") == ("ip.safetensors", 0.3)
    assert parse_ip_adapter("ip.safetensors:0.5") == ("ip.safetensors", 0.5)
    with pytest.raises(UsageError, match=r"M11.*--ip-adapter: 'ip:much'"):
        parse_ip_adapter("ip:much")


def test_generate_takes_both_and_its_side_car_can_make_the_pictures_again(stage, tmp_path, capsys):
    model = AnimationPipeline(**tiny_components(), defaults={"steps": 2})
    model.save_pretrained(tmp_path / "model")
    unet = load_pipeline(str(tmp_path / "model")).unet
    adapter = write_ip_adapter(tmp_path / "ip", unet)
    write_embedding(tmp_path / "rei.safetensors", model, vectors=1)
    words = ["generate", stage / "hero.png", "--prompt", "a <girl>", "-n", 1, "--size", "32x32"]
    words += [
        "--ref-pose",
        stage / "pose.json",
        "--model",
        tmp_path / "model",
        "--progress",
        "none",
    ]
    made = []
    for name, more in {
        "plain": [],
        "word": ["--embedding", f"{tmp_path / 'rei.safetensors'}:<girl>"],
        "adapter": ["--ip-adapter", f"{adapter}:1"],
    }.items():
        out = tmp_path / name
        assert run(toolbox_parser(), [str(word) for word in [*words, *more, "-o", out]]) == 0
        made.append(load_image(out / "hero.0.png").rgb)
    assert not np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    told = json.loads((tmp_path / "adapter" / "hero.json").read_text())
    assert told["recipe"]["job"]["ip_adapters"] == [["../ip/ip-adapter.safetensors", 1.0]]
    assert "--ip-adapter/0/ip-adapter.safetensors" in told["model"]["sha256"]
    told = json.loads((tmp_path / "word" / "hero.json").read_text())
    assert "--embedding/0/rei.safetensors" in told["model"]["sha256"]


def test_a_recipes_files_are_found_beside_its_side_car(tmp_path):
    plain = {
        "reference": "hero.png",
        "poses": "dance.json",
        "embeddings": [["./rei.safetensors", "<rei>"]],
        "ip_adapters": [["../ip.safetensors", 0.5]],
    }
    job = job_from_plain(plain, beside=tmp_path)
    assert job.embeddings == ((f"{tmp_path}/./rei.safetensors", "<rei>"),)
    assert job.ip_adapters == ((f"{tmp_path}/../ip.safetensors", 0.5),)
