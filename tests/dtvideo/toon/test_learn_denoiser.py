import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from dtvideo.attention import SelfSubjectAttention
from dtvideo.attention.cache import Entry, Page
from dtvideo.attention.layers import self_attention_layers
from dtvideo.errors import ModelError, UsageError
from dtvideo.seeds import keyed_generator
from dtvideo.toon.denoiser_plan import DenoiserTraining, Plan, batch_rows, make_plan
from dtvideo.toon.learn_denoiser import (
    build_denoiser,
    denoising_loss,
    encode_captions,
    half_precision,
    learning_attention,
    load_exported,
    train_denoiser,
    with_colour_heads,
)
from dtvideo.toon.lessons import Lessons, layer_places
from dtvideo.toon.model import LATENT_CHANNELS, build_autoencoder
from dtvideo.toon.tokenizer import MAX_TOKENS, build_tokenizer
from dtvideo.training.steps import CHECKPOINT, OptimiserSettings
from poses.standing import fit_skeleton

TINY = DenoiserTraining(
    optimiser=OptimiserSettings(steps=2, warmup=1, log_every=1),
    size=32, lessons=2, sequels=2, chunk_lessons=3, chunk_epochs=1, window=16,
)  # fmt: skip
ALWAYS_ALL = replace(
    TINY, no_reference=0.0, coarse_only=0.0, no_coarse=0.0, previous=1.0, masked=1.0,
    colour_weight=0.0,
)  # fmt: skip
HALF = torch.full((10,), 0.5)
PLACES = layer_places(fit_skeleton((8.0, 2.0, 24.0, 30.0), (32, 32)))


@pytest.fixture(scope="module")
def modules() -> nn.ModuleDict:
    torch.manual_seed(0)
    return with_colour_heads(build_denoiser(build_tokenizer(["a", "hat"])))


@pytest.fixture
def attention(modules: nn.ModuleDict) -> Iterator[SelfSubjectAttention]:
    with learning_attention(modules) as handle:
        yield handle


def flat_batch(*, frame: float, coarse: float, figure: float = 1.0) -> Lessons:
    """Two lessons of even latents, every pixel of the targets figure (1) or ground (0)."""

    def latents(value: float, *shape: int) -> torch.Tensor:
        return torch.full((2, *shape, LATENT_CHANNELS, 16, 16), value)

    def maps(*shape: int) -> torch.Tensor:
        return torch.zeros((2, *shape, 3, 32, 32), dtype=torch.uint8)

    def places(*shape: int) -> torch.Tensor:
        return PLACES.expand(2, *shape, *PLACES.shape)

    return Lessons(
        reference=latents(0.3), frames=latents(frame, 2), before=latents(frame, 2),
        coarse=latents(coarse, 2), reference_map=maps(), frame_maps=maps(2), before_maps=maps(2),
        reference_mask=torch.ones(2, 32, 32), frame_masks=torch.full((2, 2, 32, 32), figure),
        reference_places=places(), frame_places=places(2), before_places=places(2),
        tokens=torch.zeros((2, 2, MAX_TOKENS), dtype=torch.long),
    )  # fmt: skip


def write_index(folder: Path) -> None:
    """Write what a pipeline folder says of its parts."""
    parts = {
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "controlnet": ["diffusers", "ControlNetModel"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "vae": ["dtvideo.toon.patches", "PatchAutoencoder"],
    }
    content = {"_class_name": "AnimationPipeline", **parts}
    (folder / "model_index.json").write_text(json.dumps(content))


def plans(settings: DenoiserTraining, count: int = 400) -> list[Plan]:
    return [make_plan(settings, keyed_generator(0, "plan", number)) for number in range(count)]


def test_the_empty_set_drops_reference_coarse_and_previous_together():
    for plan in plans(replace(TINY, no_reference=1.0, previous=1.0), 20):
        assert plan.reference_weight == plan.previous_weight == plan.coarse.sum().item() == 0


def test_coarse_only_keeps_the_coarse_frame_without_a_reference():
    settings = replace(TINY, no_reference=0.0, coarse_only=1.0, no_coarse=0.0)
    for plan in plans(settings, 20):
        assert plan.reference_weight == 0
        assert plan.coarse.mean().item() == 1


def test_everything_is_dropped_as_often_as_the_settings_say():
    drawn = plans(replace(TINY, coarse_only=0.08, no_coarse=0.25, previous=0.4))
    empty = [plan for plan in drawn if not plan.coarse.any() and not plan.reference_weight]
    seeing = [plan for plan in drawn if plan.reference_weight]
    coarse = torch.cat([plan.coarse for plan in seeing]).mean().item()
    assert len(seeing) / len(drawn) == pytest.approx(1 - 0.1 - 0.08, abs=0.06)
    assert len(empty) / len(drawn) == pytest.approx(0.1, abs=0.05)
    assert coarse == pytest.approx(1 - 0.25, abs=0.05)
    assert sum(plan.masked for plan in drawn) / len(drawn) == pytest.approx(0.5, abs=0.08)
    previous = sum(plan.previous_weight > 0 for plan in seeing) / len(seeing)
    assert previous == pytest.approx(0.4, abs=0.08)


def test_weights_are_drawn_evenly_on_a_logarithmic_scale():
    drawn = plans(replace(ALWAYS_ALL, heaviest=100.0))
    logs = [math.log10(plan.reference_weight) for plan in drawn]
    assert 0 <= min(logs) < 0.1
    assert 1.9 < max(logs) <= 2
    assert sum(logs) / len(logs) == pytest.approx(1.0, abs=0.1)
    assert all(1 / 3 <= plan.previous_weight <= 3 for plan in drawn)


def test_an_epoch_sees_each_lesson_once_and_the_next_in_another_order():
    settings = replace(TINY, lessons=2, chunk_lessons=6, chunk_epochs=2)
    seen = [batch_rows(settings, step) for step in range(12)]
    assert [chunks for chunks, _ in seen] == [range(1)] * 6 + [range(1, 2)] * 6
    orders = [torch.cat([rows for _, rows in seen[at : at + 3]]).tolist() for at in (0, 3, 6)]
    assert [sorted(order) for order in orders] == [list(range(6))] * 3
    assert len({tuple(order) for order in orders}) == 3
    assert torch.equal(batch_rows(settings, 4)[1], seen[4][1])


def test_dropped_captions_are_the_empty_caption(modules):
    tokens = torch.stack([torch.full((MAX_TOKENS,), 5), torch.full((MAX_TOKENS,), 9)])
    tokens = tokens.expand(2, 2, MAX_TOKENS)
    with torch.no_grad():
        for no_text, row in ((0.0, 0), (1.0, 1)):
            made = encode_captions(
                modules,
                tokens,
                settings=replace(TINY, no_text=no_text),
                generator=keyed_generator(0, "text"),
            )
            expected = modules["text_encoder"](tokens[:, row]).last_hidden_state
            torch.testing.assert_close(made, expected)


@pytest.mark.parametrize(
    ("changes", "figure", "loss", "told"),
    [
        # The untrained net says "no residual", so that the error is the residual: 1 beside the
        # coarse frame, 2 without it, and with so late a bend the loss is its square. Weights: 3
        # for the figure, 1 / (1 - 0.5) for the noise, 0.7 for a picture without a coarse frame.
        ({}, 1.0, 2 * 3 * 1, {"refined": 1.0}),
        ({}, 0.0, 2 * 1 * 1, {"refined": 1.0}),
        ({"no_coarse": 1.0}, 1.0, 0.7 * 2 * 3 * 4, {"bare": 4.0}),
        ({"no_reference": 1.0}, 1.0, 0.7 * 2 * 3 * 4, {"bare": 4.0}),
        ({"no_coarse": 1.0, "bare_weight": 1.0}, 1.0, 2 * 3 * 4, {"bare": 4.0}),
        ({"weight_limit": 1.5}, 1.0, 1.5 * 3 * 1, {"refined": 1.0}),
        ({"figure_weight": 5.0, "masked": 0.0}, 1.0, 2 * 5 * 1, {"refined": 1.0}),
        # 2 b^2 (sqrt(1 + (e / b)^2) - 1) for an error e as large as the bend b
        ({"bend": 1.0}, 1.0, 2 * 3 * 2 * (2**0.5 - 1), {"refined": 1.0}),
    ],
)
def test_the_loss_of_the_untrained_net_by_hand(modules, attention, changes, figure, loss, told):
    found, figures = denoising_loss(
        modules,
        attention,
        flat_batch(frame=2.0, coarse=1.0, figure=figure),
        settings=replace(ALWAYS_ALL, **{"bend": 1e3, **changes}),
        alphas=HALF,
        step=0,
    )
    assert found.item() == pytest.approx(loss, rel=1e-4)
    figures.pop("colours", None)
    assert figures == pytest.approx(told)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_what_the_memory_of_the_reference_tells_of_colours_is_part_of_the_loss(weight):
    torch.manual_seed(0)
    modules = with_colour_heads(build_denoiser(build_tokenizer(["a", "hat"])))
    for head in modules["colour_heads"].heads.values():
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    settings = replace(ALWAYS_ALL, colour_weight=weight, bend=1e3)
    with learning_attention(modules) as attention:
        batch = flat_batch(frame=2.0, coarse=1.0)
        loss, figures = denoising_loss(
            modules, attention, batch, settings=settings, alphas=HALF, step=0
        )
    # Every latent of the reference is 0.3, and all of it is figure, which counts three times.
    assert figures["colours"] == pytest.approx(3 * 0.3**2)
    assert loss.item() == pytest.approx(2 * 3 * 1 + weight * 3 * 0.3**2, rel=1e-4)


def test_heads_answer_with_the_mean_colour_of_their_cell():
    """Heads that say nothing are wrong by the square of the colour, and right for black."""
    torch.manual_seed(0)
    modules = with_colour_heads(build_denoiser(build_tokenizer(["a", "hat"])))
    heads = modules["colour_heads"]
    red, green, blue = 0.6, -0.2, 0.1
    for head in heads.heads.values():
        nn.init.zeros_(head.weight)
        head.bias.data = torch.tensor([red, green, blue])
    side = 16
    latents = torch.zeros(1, LATENT_CHANNELS, side, side)
    latents[:, :4, :, 8:], latents[:, 4:8, :, 8:], latents[:, 8:, :, 8:] = red, green, blue
    page = Page(
        (side, side),
        {
            f"unet.{path}": Entry((torch.zeros(1, 64, layer.to_q.in_features),), 1.0, 64, None)
            for path, layer in self_attention_layers(modules["unet"]).items()
        },
    )
    error = heads(page, latents, torch.ones(1, side, side))
    assert error.item() == pytest.approx((red**2 + green**2 + blue**2) / 3 / 2, rel=1e-5)


def gradients_of(settings: DenoiserTraining) -> nn.ModuleDict:
    """Return fresh modules with the gradients of one batch without coarse frames."""
    torch.manual_seed(0)
    modules = with_colour_heads(build_denoiser(build_tokenizer(["a", "hat"])))
    nn.init.normal_(modules["unet"].conv_out.weight, std=0.1)
    settings = replace(settings, no_coarse=1.0, previous=0.0)
    with learning_attention(modules) as attention:
        batch = flat_batch(frame=2.0, coarse=1.0)
        loss, _ = denoising_loss(modules, attention, batch, settings=settings, alphas=HALF, step=0)
        loss.backward()
    return modules


def test_values_learn_from_a_reference_whose_own_pass_has_no_gradient():
    """So heavy a reference leaves a picture's own tokens no share of a value's gradient."""
    settings = replace(ALWAYS_ALL, heaviest=1e12, reference_gradient=False)
    block = gradients_of(settings)["unet"].down_blocks[1].attentions[0].transformer_blocks[0]
    plan = make_plan(settings, keyed_generator(settings.seed, "denoiser", 0))
    assert plan.reference_weight > 1e6
    assert block.attn1.to_v.weight.grad.norm() > 1e-3 * block.attn1.to_out[0].weight.grad.norm()


@pytest.mark.parametrize("learnt", [False, True])
def test_what_a_reference_tells_is_learnt_where_its_pass_has_a_gradient(learnt):
    """The reference alone comes in where coarse frames do, for the pictures here have none."""
    unet = gradients_of(replace(ALWAYS_ALL, reference_gradient=learnt))["unet"]
    assert (unet.conv_in.weight.grad[:, LATENT_CHANNELS:].abs().max() > 0) == learnt


def test_weights_learn_in_bfloat16_after_a_pass_that_has_no_gradient():
    """Without a reference the frame before comes first, and its pass has none."""
    settings = replace(ALWAYS_ALL, coarse_only=1.0, previous=1.0, half=True)
    torch.manual_seed(0)
    modules = with_colour_heads(build_denoiser(build_tokenizer(["a", "hat"])))
    nn.init.normal_(modules["unet"].conv_out.weight, std=0.1)
    batch = flat_batch(frame=2.0, coarse=1.0)
    with learning_attention(modules) as attention, half_precision(settings, torch.device("cpu")):
        loss, _ = denoising_loss(modules, attention, batch, settings=settings, alphas=HALF, step=0)
    loss.backward()
    for name, parameter in modules["unet"].named_parameters():
        assert parameter.grad is not None, name


def test_the_loss_is_a_function_of_the_step(modules, attention):
    def plan_of(step: int) -> float:
        with torch.no_grad():
            batch, alphas = flat_batch(frame=2.0, coarse=1.0), torch.linspace(0.99, 0.01, 10)
            return denoising_loss(
                modules, attention, batch, settings=TINY, alphas=alphas, step=step
            )[0].item()  # fmt: skip

    assert plan_of(1) == plan_of(1)
    assert len({plan_of(step) for step in range(4)}) > 1


def test_two_steps_run_and_nothing_stays_installed(tmp_path):
    torch.manual_seed(0)
    vae = build_autoencoder().eval().requires_grad_(False)
    before = [value.clone() for value in vae.state_dict().values()]
    told: list[str] = []
    train_denoiser(
        TINY, tmp_path, vae=vae, tokenizer=build_tokenizer(["a", "hat"]), report=told.append
    )
    assert (tmp_path / CHECKPOINT).is_file()
    assert len(told) == 2
    assert "refined" in told[0]
    assert all(map(torch.equal, before, vae.state_dict().values()))


def test_a_run_can_begin_with_an_exported_model(tmp_path):
    tokenizer = build_tokenizer(["a", "hat"])
    torch.manual_seed(3)
    begun, fresh = build_denoiser(tokenizer), build_denoiser(tokenizer)
    write_index(tmp_path)
    for name, module in begun.items():
        module.save_pretrained(tmp_path / name)
    load_exported(fresh, tmp_path)
    expected = begun.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in fresh.state_dict().items())


def test_a_model_of_another_architecture_is_no_beginning(tmp_path):
    small, large = (build_denoiser(build_tokenizer(words)) for words in (["a"], ["a", "hat"]))
    write_index(tmp_path)
    for name, module in small.items():
        module.save_pretrained(tmp_path / name)
    with pytest.raises(ModelError, match="text_encoder: does not fit") as caught:
        load_exported(large, tmp_path)
    assert caught.value.code == "M5"


@pytest.mark.parametrize("window", [8, 40, -16])
def test_a_window_off_the_cells_of_the_layers_is_refused(window):
    with pytest.raises(UsageError, match=f"window: is {window}") as caught:
        replace(TINY, window=window)
    assert caught.value.code == "M11"


@pytest.mark.parametrize(("name", "value"), [("pool_chunks", 0), ("workers", -1)])
def test_a_number_of_chunks_or_workers_that_cannot_be_is_refused(name, value):
    with pytest.raises(UsageError, match=f"{name}: is {value}") as caught:
        replace(TINY, **{name: value})
    assert caught.value.code == "M11"


def test_a_batch_larger_than_its_chunk_is_refused():
    with pytest.raises(UsageError, match="lessons: is 4") as caught:
        replace(TINY, lessons=4)
    assert caught.value.code == "M11"
