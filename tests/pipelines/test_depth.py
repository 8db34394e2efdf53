"""Depth tells pictures from words their layout, by itself and together with a pose."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import MultiControlNetModel

from dtvideo.errors import MediaError, ModelError
from dtvideo.images import load_image, save_png
from pipelines.animate import AnimationPipeline
from pipelines.animate_xl import AnimationXLPipeline
from pipelines.condition import Condition, Words
from pipelines.generate import draw_pictures, generate, open_studio
from pipelines.generate_job import GenerateJob
from pipelines.load_model import describe_model
from pipelines.progress import SilentProgress
from tests.tiny_models import (
    tiny_components,
    tiny_controlnet,
    tiny_xl_components,
    tiny_xl_controlnet,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a tiny model that starts from noise and has both ControlNets."""
    folder = tmp_path_factory.mktemp("both") / "tiny"
    components = tiny_components(prediction_type="sample")
    guides = {"depth_controlnet": tiny_controlnet(seed=9)}
    AnimationPipeline(**components, **guides, defaults={"steps": 2}).save_pretrained(folder)
    return folder


@pytest.fixture
def depths(tmp_path):
    """A folder with two depth pictures: near on the left, near above."""
    ramp = np.linspace(255, 0, 32).round().astype(np.uint8)
    save_png(tmp_path / "depths" / "0.png", np.tile(ramp, (32, 1)))
    save_png(tmp_path / "depths" / "1.png", np.tile(ramp[:, None], (1, 32)))
    return tmp_path / "depths"


@pytest.fixture
def job(model, stage, depths, tmp_path):
    return GenerateJob(
        reference=stage / "hero.png",
        reference_pose=stage / "pose.json",
        prompt="a girl with red hair",
        depth=depths / "0.png",
        count=1,
        size=(32, 32),
        model=str(model),
        output=tmp_path / "out",
    )


def drawn(job):
    """The pictures of a job by their numbers."""
    return dict(draw_pictures(open_studio(job, SilentProgress()), job.seeds))


def asked(pipeline, **pictures):
    """What a pipeline predicts for fixed latents and words."""
    generator = torch.Generator().manual_seed(0)
    width = pipeline.unet.config.cross_attention_dim
    words = Words(torch.randn(2, 7, width, generator=generator))
    if isinstance(pipeline, AnimationXLPipeline):
        added = {"text_embeds": torch.ones(2, 48), "time_ids": torch.ones(2, 6)}
        words = replace(words, added=added)
    with torch.inference_mode():
        return pipeline.predict(
            torch.randn(2, 4, 16, 16, generator=generator),
            torch.tensor([500, 500]),
            condition=Condition(words, (), torch.zeros(2)),
            coarse=None,
            **pictures,
        ), words


def test_pose_and_depth_add_up_as_in_diffusers_own_multi_controlnet():
    guides = [tiny_controlnet(), tiny_controlnet(seed=9)]
    components = {**tiny_components(), "controlnet": guides[0]}
    pose, depth = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found, words = asked(
        AnimationPipeline(**components, depth_controlnet=guides[1]), pose=pose, depth=depth
    )
    latents = torch.randn(2, 7, 32, generator=(generator := torch.Generator().manual_seed(0)))
    latents = torch.randn(2, 4, 16, 16, generator=generator)
    with torch.inference_mode():
        down, middle = MultiControlNetModel(guides)(
            latents,
            torch.tensor([500, 500]),
            words.text,
            controlnet_cond=[pose.expand(2, -1, -1, -1), depth.expand(2, -1, -1, -1)],
            conditioning_scale=[1.0, 1.0],
            return_dict=False,
        )
        expected = components["unet"](
            latents,
            torch.tensor([500, 500]),
            words.text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_a_union_controlnet_tells_depth_from_a_pose():
    components = tiny_xl_components(union=True)
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    pipeline = AnimationXLPipeline(
        **components, depth_controlnet=tiny_xl_controlnet(union=True, seed=9)
    )
    told = []
    for guide in (pipeline.controlnet, pipeline.depth_controlnet):
        guide.register_forward_pre_hook(lambda *call: told.append(call[2]), with_kwargs=True)
    asked(pipeline, pose=picture, depth=picture)
    assert [kinds["control_type_idx"] for kinds in told] == [[0], [1]]
    wanted = [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]]
    assert [kinds["control_type"][0].tolist() for kinds in told] == wanted


def test_depth_changes_the_picture_with_and_without_a_pose(job, depths, stage):
    left, above = depths / "0.png", depths / "1.png"
    for pose in (None, stage / "pose.json"):
        posed = replace(job, pose=pose)
        pictures = [
            drawn(replace(posed, depth=depth, depth_controlnet=None))[0]
            for depth in (None, left, above)
        ]
        same = [np.array_equal(pictures[one], pictures[two]) for one, two in ((0, 1), (1, 2))]
        assert not any(same)
    assert not np.array_equal(drawn(replace(job, pose=None))[0], pictures[1])


def test_pictures_take_a_folders_depths_in_turn_by_their_numbers(job, depths):
    together = drawn(replace(job, depth=depths, count=3))
    alone = drawn(replace(job, depth=depths, seed=1))
    given = drawn(replace(job, depth=depths / "1.png", seed=1))
    assert np.array_equal(together[1], alone[1])
    assert np.array_equal(together[1], given[1])
    assert np.array_equal(together[2], drawn(replace(job, seed=2))[2])


def test_the_references_own_pass_is_told_no_depth(job):
    studio = open_studio(job, SilentProgress())
    calls = {"unet": 0, "depth_controlnet": 0}

    def counted(part):
        def count(*_):
            calls[part] += 1

        return getattr(studio.pipeline, part).register_forward_pre_hook(count)

    for part in calls:
        counted(part)
    list(draw_pictures(studio, [0]))
    assert calls["unet"] - calls["depth_controlnet"] == 1  # one window holds both steps
    assert calls["depth_controlnet"] >= 2


def test_depth_of_another_shape_is_fitted_whole_and_told(job, tmp_path):
    wide = np.tile(np.linspace(255, 0, 64).round().astype(np.uint8), (32, 1))
    save_png(tmp_path / "wide.png", wide)
    studio = open_studio(replace(job, depth=tmp_path / "wide.png"), SilentProgress())
    (picture,) = studio.depths
    assert picture.shape == (32, 32, 3)
    assert picture[0, 0, 0] > 250
    assert picture[-1, -1, 0] < 5
    assert any("depth of 64x32 is fitted into 32x32" in told for told in studio.sidecar.notices)


def test_a_depth_picture_is_read_anew_for_each_picture_and_none_is_held(job, depths):
    studio = open_studio(replace(job, depth=depths), SilentProgress())
    before = studio.depth(1)
    save_png(depths / "1.png", np.full((32, 32), 7, np.uint8))
    assert len(studio.depths) == 2
    assert (studio.depth(1) == 7).all()
    assert not np.array_equal(before, studio.depth(1))


def test_a_damaged_depth_picture_is_refused_before_any_picture_is_made(job, depths):
    whole = (depths / "1.png").read_bytes()
    (depths / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"R8.*1\.png"):
        generate(replace(job, depth=depths, count=2))
    assert not job.picture(0).exists()


def test_the_side_car_knows_the_depth_and_what_saw_it(job, tmp_path):
    tiny_controlnet(seed=11).save_pretrained(tmp_path / "other")
    made = generate(replace(job, depth_controlnet=str(tmp_path / "other")))
    told = json.loads(made.sidecar.read_text())
    assert {"depth"} <= {entry["role"] for entry in told["inputs"]}
    assert told["recipe"]["job"]["depth"].endswith("depths/0.png")
    hashed = told["model"]["sha256"]
    assert "--depth-controlnet/diffusion_pytorch_model.safetensors" in hashed
    other = load_image(made.pictures[0]).rgb
    assert not np.array_equal(drawn(replace(job, output=tmp_path / "own"))[0], other)


def test_the_models_own_depth_controlnet_is_read_only_where_it_is_needed(job):
    studio = open_studio(replace(job, depth=None), SilentProgress())
    assert studio.pipeline.depth_controlnet is None
    hashed = describe_model(replace(job, depth=None), studio.pipeline)["sha256"]
    assert not [name for name in hashed if "depth" in name]
    hashed = describe_model(job, studio.pipeline)["sha256"]
    assert "depth_controlnet/diffusion_pytorch_model.safetensors" in hashed


def test_m1_depth_without_its_controlnet_says_how_to_give_one(job, tmp_path):
    folder = tmp_path / "plain"
    AnimationPipeline(**tiny_components()).save_pretrained(folder)
    with pytest.raises(ModelError, match=r"M1.*no depth_controlnet.*--depth-controlnet, for ex"):
        open_studio(replace(job, model=str(folder)), SilentProgress())


def test_v15_a_folder_without_depth_pictures_is_refused(job, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match=r"V15.*empty: holds no pictures"):
        open_studio(replace(job, depth=tmp_path / "empty"), SilentProgress())
