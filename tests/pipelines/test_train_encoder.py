import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from dtvideo.config import load_settings
from dtvideo.denoise import prepare_scheduler
from dtvideo.errors import ModelError, UsageError
from dtvideo.images import load_image
from dtvideo.subject import SubjectEncoder, install_subject_attention
from dtvideo.toon.portraits import portrait
from dtvideo.training.describe import Captioner
from dtvideo.training.losses import figure_weights
from dtvideo.training.steps import OptimiserSettings
from pipelines.animate import AnimationPipeline
from pipelines.encoder_lessons import make_lesson
from pipelines.encoder_settings import EncoderTraining, SmallTower
from pipelines.evaluate_encoder import open_guided
from pipelines.load_model import load_pipeline
from pipelines.train_encoder import (
    build_encoder,
    colour_error,
    encoder_loss,
    layout_loss,
    spread_layers,
    train_encoder,
)
from tests.tiny_judges import write_captioner, write_depth_model
from tests.tiny_models import tiny_components, tiny_controlnet, tiny_tower
from tests.training_pictures import write_samples

SHORT = OptimiserSettings(steps=2, warmup=1, log_every=1)
CONFIG = Path(__file__).parents[2] / "pipelines" / "configs" / "encoder.toml"


@pytest.fixture(scope="module")
def settings(tiny_model):
    return EncoderTraining(
        model=str(tiny_model),
        small_tower=SmallTower(side=16, patch=8, width=16, depth=2, heads=2),
        layout_optimiser=SHORT,
        optimiser=SHORT,
        size=32,
        batch=2,
    )


@pytest.fixture(scope="module")
def pipeline(settings):
    return load_pipeline(settings.model, device="cpu", dtype="float32")


def lesson(settings, pipeline, step=0):
    return make_lesson(settings, pipeline, purpose="encoder", step=step, side=16)


def test_a_short_run_leaves_a_model_whose_encoder_was_all_that_changed(
    settings, pipeline, tmp_path
):
    told = []
    folder = train_encoder(settings, tmp_path / "run", report=told.append)
    assert folder == tmp_path / "run" / "export"
    assert len(told) == 4
    assert (tmp_path / "run" / "encoder" / "sheet_000002.png").is_file()
    trained = load_pipeline(str(folder), device="cpu", dtype="float32")
    assert isinstance(trained.subject_encoder, SubjectEncoder)
    layer = trained.subject_encoder.layer(trained.subject_encoder.paths[0])
    assert layer.attention.to_out[0].weight.any()
    for part in ("unet", "controlnet", "text_encoder", "vae"):
        before = getattr(pipeline, part).state_dict()
        for name, weight in getattr(trained, part).state_dict().items():
            assert torch.equal(weight, before[name])


def test_an_untrained_encoder_does_not_change_the_loss(settings, pipeline):
    encoder = build_encoder(settings, pipeline)
    with torch.no_grad(), install_subject_attention(pipeline.unet, encoder) as attention:
        batch = lesson(settings, pipeline)
        tokens = encoder(batch.subjects)
        shown = encoder_loss(pipeline, None, tokens, attention=attention, lesson=batch)
        assert torch.equal(shown, layout_loss(pipeline, None, lesson=batch))


def test_a_lesson_is_a_function_of_its_step(settings, pipeline):
    first, again, next_ = (lesson(settings, pipeline, step) for step in (3, 3, 4))
    for name, part in vars(first).items():
        assert torch.equal(part, vars(again)[name])
    assert not torch.equal(first.latents, next_.latents)
    assert not torch.equal(first.noise, next_.noise)


def test_subject_and_words_are_dropped_as_often_as_asked(settings, pipeline):
    empty = pipeline.encode_prompt([""])[0]

    def dropped(**shares):
        none = {"no_subject": 0.0, "no_text": 0.0, "neither": 0.0}
        batch = lesson(replace(settings, **{**none, **shares}), pipeline)
        return (batch.beta == 0).all(), all(torch.allclose(row, empty) for row in batch.words)

    assert dropped(no_subject=1.0) == (True, False)
    assert dropped(no_text=1.0) == (False, True)
    assert dropped(neither=1.0) == (True, True)
    assert dropped() == (False, False)


def test_a_run_with_own_pictures_and_a_given_guide_trains_no_guide(settings, pipeline, tmp_path):
    write_samples(tmp_path / "pictures")
    pipeline.controlnet.save_pretrained(tmp_path / "depth")
    own = replace(
        settings,
        pictures=str(tmp_path / "pictures"),
        layout_model=str(tmp_path / "depth"),
        optimiser=replace(SHORT, tensorboard=True),
    )
    train_encoder(own, tmp_path / "run", report=lambda text: None)
    assert not (tmp_path / "run" / "layout").exists()
    board = EventAccumulator(str(tmp_path / "run" / "encoder" / "tensorboard")).Reload()
    lines = (tmp_path / "run" / "encoder" / "log.jsonl").read_text().splitlines()
    logged = [json.loads(line)["loss"] for line in lines]
    assert [event.value for event in board.Scalars("loss")] == pytest.approx(logged)


def test_a_lesson_of_own_pictures_has_their_words(settings, pipeline, tmp_path):
    write_samples(tmp_path)
    shares = {"no_subject": 0.0, "no_text": 0.0, "neither": 0.0}
    own = replace(settings, pictures=str(tmp_path), **shares)
    words = lesson(own, pipeline).words
    wanted = pipeline.encode_prompt(["a red square", "a blue square"])
    assert {tuple(row.flatten().tolist()) for row in words} == {
        tuple(row.flatten().tolist()) for row in wanted}  # fmt: skip


def test_a_given_tower_is_frozen_and_a_small_one_learns(settings, pipeline, tmp_path):
    tiny_tower().save_pretrained(tmp_path / "clip")
    given = build_encoder(replace(settings, tower=str(tmp_path / "clip")), pipeline)
    small = build_encoder(settings, pipeline)
    assert not any(weight.requires_grad for weight in given.tower.parameters())
    assert all(weight.requires_grad for weight in small.tower.parameters())
    for name, weight in tiny_tower().named_parameters():
        assert torch.equal(given.tower.get_parameter(name), weight)


def test_the_hidden_states_are_as_deep_as_the_papers():
    assert spread_layers(24) == (4, 8, 12, 16, -1)
    assert spread_layers(4) == (1, 2, 3, -1)


def test_a_model_of_few_steps_learns_at_their_noise_levels_alone(settings, pipeline):
    assert pipeline.default_settings.steps == 2
    sampled = prepare_scheduler(pipeline.scheduler, steps=2).timesteps.tolist()
    many = replace(settings, batch=64, size=16)
    found = lesson(many, pipeline).timesteps.unique().tolist()
    assert found == sorted(sampled)
    slow = AnimationPipeline(**tiny_components(coarse=True, prediction_type="sample"))
    assert len(lesson(many, slow).timesteps.unique()) > 32


def test_the_figure_counts_more_than_the_ground(settings, pipeline):
    heavy, light = (
        lesson(replace(settings, figure_weight=weight), pipeline) for weight in (5.0, 1.0)
    )
    masks = [portrait(settings.seed, row, size=settings.size).mask for row in range(settings.batch)]
    size = heavy.latents.shape[-2:]
    assert torch.equal(
        heavy.weights, figure_weights(torch.from_numpy(np.stack(masks)), 5.0, size=size)
    )
    assert (light.weights == 1).all()
    with torch.no_grad():
        assert layout_loss(pipeline, None, lesson=heavy) != layout_loss(
            pipeline, None, lesson=light
        )


def test_a_window_is_cut_alike_from_all_that_is_told_of_it(settings, pipeline):
    whole, cut = (lesson(replace(settings, size=64, window=window), pipeline) for window in (0, 32))
    assert cut.layout.shape[-2:] == (32, 32)
    latents, side = cut.latents.shape[-1], whole.latents.shape[-1]
    for row in range(settings.batch):
        places = [
            (top, left)
            for top in range(side - latents + 1)
            for left in range(side - latents + 1)
            if torch.equal(
                whole.latents[row, :, top : top + latents, left : left + latents], cut.latents[row]
            )
        ]
        ((top, left),) = places
        here = (slice(top, top + latents), slice(left, left + latents))
        assert torch.equal(cut.noise[row], whole.noise[row][:, *here])
        assert torch.equal(cut.weights[row], whole.weights[row][:, *here])
        pixels = [slice(2 * each.start, 2 * each.stop) for each in here]
        assert torch.equal(cut.layout[row], whole.layout[row][:, *pixels])
        assert cut.weights[row].max() > 1
    assert torch.equal(cut.subjects, whole.subjects)


def test_each_token_is_asked_for_the_mean_colour_of_its_own_cell():
    """Four cells of one colour each; the tokens are those colours, then the same out of order."""
    colours = torch.tensor([[0.1, 0.2, 0.3], [1.0, 0.0, -1.0], [0.5, 0.5, 0.5], [-0.2, 0.8, 0.0]])
    cells = colours.T.reshape(1, 3, 2, 2)
    pictures = cells.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    same = torch.nn.Identity()
    assert colour_error(same, colours[None], pictures).item() == pytest.approx(0.0, abs=1e-12)
    swapped = colours[[1, 0, 2, 3]]
    squares = (0.9**2 + 0.2**2 + 1.3**2) * 2 / 12
    assert colour_error(same, swapped[None], pictures).item() == pytest.approx(squares)


def test_a_given_tower_is_not_asked_for_colours(settings, tmp_path):
    tiny_tower().save_pretrained(tmp_path / "tower")
    told = []
    for name, tower in (("own", ""), ("given", str(tmp_path / "tower"))):
        once = replace(settings, layout=False, tower=tower)
        train_encoder(once, tmp_path / name, report=told.append)
    assert ["colours" in text for text in told if text.startswith("step 1 ")] == [True, False]


def test_what_makes_the_tokens_learns_at_a_rate_of_its_own(settings, tmp_path):
    frozen = replace(settings, layout=False, tower_rate=0.0)
    folder = train_encoder(frozen, tmp_path, report=lambda text: None)
    trained = load_pipeline(str(folder), device="cpu", dtype="float32").subject_encoder
    torch.manual_seed(settings.seed)
    begun = build_encoder(frozen, load_pipeline(settings.model, device="cpu", dtype="float32"))
    moved = {
        name.split(".")[0]
        for name, weight in trained.named_parameters()
        if not torch.allclose(weight, begun.get_parameter(name), atol=1e-7)
    }
    assert moved == {"attentions"}


def test_the_guide_begins_as_the_one_for_poses_and_goes_into_the_model(
    settings, pipeline, tmp_path
):
    still = replace(settings, layout_optimiser=replace(SHORT, learning_rate=0.0))
    folder = train_encoder(still, tmp_path, report=lambda text: None)
    weights = load_file(folder / "depth_controlnet" / "diffusion_pytorch_model.safetensors")
    own = pipeline.controlnet.state_dict()
    assert weights.keys() == own.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, own[name])


def test_the_recipe_that_ships_is_the_default():
    assert load_settings(EncoderTraining, CONFIG) == EncoderTraining()


def test_shares_above_one_are_refused():
    with pytest.raises(UsageError, match=r"M11.*shares: are \(0.6, 0.3, 0.3\)"):
        EncoderTraining(no_subject=0.6, no_text=0.3, neither=0.3)


def test_the_command_asks_for_a_config_that_is_there(tmp_path, capsys):
    words = ["train", "encoder", str(tmp_path / "none.toml"), "--run", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    assert "error[C1]" in capsys.readouterr().err


def test_models_that_are_named_give_depth_and_words(settings, pipeline, tmp_path):
    write_samples(tmp_path / "pictures")
    for kind in ("txt", "depth.png"):
        for path in (tmp_path / "pictures").glob(f"*.{kind}"):
            path.unlink()
    named = replace(
        settings,
        pictures=str(tmp_path / "pictures"),
        depth_model=str(write_depth_model(tmp_path / "depth")),
        captioner=str(write_captioner(tmp_path / "captioner")),
        no_text=0.0,
        neither=0.0,
    )
    batch = lesson(named, pipeline)
    assert batch.layout.amax(dim=(1, 2, 3)).tolist() == [1, 1]
    assert batch.layout.amin(dim=(1, 2, 3)).tolist() == [0, 0]
    picture = load_image(tmp_path / "pictures" / "red.png").rgb
    words = pipeline.encode_prompt([Captioner(named.captioner)(picture)])
    assert any(torch.allclose(row, words[0], atol=1e-5) for row in batch.words)


@pytest.fixture
def unguided(settings, tmp_path):
    """The settings for a model that has no ControlNet."""
    components = {**tiny_components(), "controlnet": None}
    folder = tmp_path / "unguided"
    AnimationPipeline(**components, defaults={"steps": 1}).save_pretrained(folder)
    return replace(settings, model=str(folder))


def test_a_model_without_a_controlnet_is_taught_where_none_is_needed(unguided, tmp_path):
    tiny_controlnet().save_pretrained(tmp_path / "depth")
    given = replace(unguided, layout_model=str(tmp_path / "depth"))
    for name, told in (("none", replace(unguided, layout=False)), ("given", given)):
        folder = train_encoder(told, tmp_path / name, report=lambda text: None)
        trained = open_guided(str(folder), str(tmp_path / "depth"))
        assert isinstance(trained.subject_encoder, SubjectEncoder)
        assert trained.controlnet is None


def test_a_layout_that_cannot_begin_as_the_models_controlnet_says_what_to_set(unguided, tmp_path):
    with pytest.raises(ModelError, match=r"M1.*has no pose ControlNet.*set layout_model") as told:
        train_encoder(unguided, tmp_path / "run", report=lambda text: None)
    assert "--controlnet" not in str(told.value)
