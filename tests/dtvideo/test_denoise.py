import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from dtvideo.denoise import denoise, first_step, noised_input, prepare_scheduler
from dtvideo.errors import QualityError, UsageError
from dtvideo.seeds import keyed_noise

DETERMINISTIC = (
    DDIMScheduler,
    EulerDiscreteScheduler,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
    HeunDiscreteScheduler,
)
STOCHASTIC = (LCMScheduler, DDPMScheduler)
SHAPE = (1, 4, 8, 6)
NOISE = keyed_noise(SHAPE, 1, "latents")
TRUTH = keyed_noise(SHAPE, 2, "truth") * 0.5


def prepared(scheduler_class, *, steps=8, prediction_type="sample", **config):
    if scheduler_class in (DDIMScheduler, DDPMScheduler):
        config["clip_sample"] = False
    scheduler = scheduler_class(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction_type,
        **config,
    )
    return prepare_scheduler(scheduler, steps=steps)


def know_the_truth(latents, timestep, step):
    return TRUTH


def shrink(latents, timestep, step):
    """A prediction that depends on the latents, so that every step's noise shows."""
    return latents * 0.5


def render(scheduler, predict=shrink, *, seed=3, frame=0, **options):
    return denoise(NOISE, scheduler=scheduler, predict=predict, seed=seed, frame=frame, **options)


@pytest.mark.parametrize("scheduler_class", DETERMINISTIC + STOCHASTIC)
def test_a_model_that_knows_the_sample_ends_there(scheduler_class):
    latents = render(prepared(scheduler_class), know_the_truth)
    assert (latents - TRUTH).abs().max() < 0.06


@pytest.mark.parametrize("scheduler_class", DETERMINISTIC + STOCHASTIC)
def test_frames_share_no_scheduler_state(scheduler_class):
    scheduler = prepared(scheduler_class)
    first = render(scheduler)
    render(scheduler, frame=1)
    assert torch.equal(render(scheduler), first)


@pytest.mark.parametrize("scheduler_class", STOCHASTIC)
def test_noise_inside_a_step_is_keyed_by_seed_and_frame(scheduler_class):
    scheduler = prepared(scheduler_class)
    torch.manual_seed(0)
    first = render(scheduler)
    torch.manual_seed(1)
    assert torch.equal(render(scheduler), first)
    assert not torch.allclose(render(scheduler, frame=1), first)
    assert not torch.allclose(render(scheduler, seed=4), first)


def test_each_step_draws_noise_of_its_own():
    scheduler = prepared(EulerAncestralDiscreteScheduler, steps=4, prediction_type="epsilon")
    passed = []

    def remember(latents, timestep, step):
        passed.append(latents * (scheduler.sigmas[step] ** 2 + 1).sqrt())
        return torch.zeros_like(latents)  # no direction: a step adds its noise and nothing else

    render(scheduler, remember)
    first, second = (passed[step + 1] - passed[step] for step in (0, 1))
    cosine = torch.nn.functional.cosine_similarity(first.flatten(), second.flatten(), dim=0)
    assert abs(cosine.item()) < 0.3


@pytest.mark.parametrize("scheduler_class", [EulerDiscreteScheduler, DDIMScheduler])
@pytest.mark.parametrize("step", [0, 3, 7])
def test_noised_input_is_what_the_model_sees_of_a_known_sample(scheduler_class, step):
    """Denoising from the exact noise with the exact sample keeps latents on the noised path."""
    scheduler = prepared(scheduler_class)
    seen = {}

    def remember(latents, timestep, step):
        seen[step] = latents
        return TRUTH

    start = scheduler.add_noise(TRUTH, NOISE, scheduler.timesteps[:1])
    denoise(
        start / scheduler.init_noise_sigma,
        scheduler=scheduler,
        predict=remember,
        seed=0,
        frame=0,
    )
    expected = noised_input(scheduler, TRUTH, noise=NOISE, step=step)
    torch.testing.assert_close(seen[step], expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("scheduler_class", [DPMSolverMultistepScheduler, UniPCMultistepScheduler])
def test_steps_of_one_timestep_keep_noise_levels_of_their_own(scheduler_class):
    """The lowest of these levels are so close that two of them round to the same timestep."""
    scheduler = prepared(scheduler_class, steps=20, use_exponential_sigmas=True)
    assert len(set(scheduler.timesteps.tolist())) < 20
    zeros, ones = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    found = [noised_input(scheduler, zeros, noise=ones, step=step).item() for step in range(20)]
    sigmas = scheduler.sigmas[:20]
    assert found == pytest.approx((sigmas / (1 + sigmas**2).sqrt()).tolist(), rel=1e-5)


@pytest.mark.parametrize("scheduler_class", DETERMINISTIC + STOCHASTIC)
def test_a_start_skips_the_noisier_steps(scheduler_class):
    steps = []

    def remember(latents, timestep, step):
        steps.append(step)
        return latents * 0.1

    scheduler = prepared(scheduler_class)
    render(scheduler, remember, start=TRUTH, strength=0.5)
    begin = first_step(scheduler, 0.5)
    assert begin == 4 * getattr(scheduler, "order", 1)
    assert steps == list(range(begin, len(scheduler.timesteps)))


@pytest.mark.parametrize("scheduler_class", [DDIMScheduler, EulerDiscreteScheduler])
def test_a_start_is_noised_to_the_first_step_taken(scheduler_class):
    seen = []

    def remember(latents, timestep, step):
        seen.append(latents)
        return TRUTH

    scheduler = prepared(scheduler_class)
    render(scheduler, remember, start=TRUTH, strength=0.25)
    torch.testing.assert_close(seen[0], noised_input(scheduler, TRUTH, noise=NOISE, step=6))


def know_the_noise(latents, timestep, step):
    return NOISE


@pytest.mark.parametrize("skip_prk_steps", [False, True])
@pytest.mark.parametrize("steps", [2, 3, 20])
@pytest.mark.parametrize("strength", [0.2, 0.5, 0.9])
def test_pndm_begins_in_the_middle_as_ddim_does(skip_prk_steps, steps, strength):
    """With a model that knows the noise, both stay on the line between noise and sample."""
    found, passes = [], []
    for scheduler_class, options in (
        (PNDMScheduler, {"skip_prk_steps": skip_prk_steps}),
        (DDIMScheduler, {"set_alpha_to_one": False}),
    ):
        scheduler = prepared(
            scheduler_class, steps=steps, prediction_type="epsilon", steps_offset=1, **options
        )
        found.append(render(scheduler, know_the_noise, start=TRUTH, strength=strength))
        passes.append(len(scheduler.timesteps) - first_step(scheduler, strength))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=0)
    if steps * strength < steps - 0.5:  # a whole run of PNDM takes its first step twice
        assert passes[0] == passes[1]


@pytest.mark.parametrize("skip_prk_steps", [False, True])
def test_pndm_from_noise_alone_is_left_as_it_is(skip_prk_steps):
    scheduler = prepared(
        PNDMScheduler, prediction_type="epsilon", steps_offset=1, skip_prk_steps=skip_prk_steps
    )
    assert first_step(scheduler, 1.0) == 0
    assert len(scheduler.timesteps) == 9
    expected = NOISE
    for timestep in scheduler.timesteps:
        expected = scheduler.step(shrink(expected, None, None), timestep, expected).prev_sample
    fresh = prepare_scheduler(scheduler, steps=8)
    assert torch.equal(render(fresh), expected)


def test_the_callback_can_change_the_latents():
    calls = []

    def replace(step, timestep, latents):
        calls.append((step, int(timestep)))
        return torch.zeros_like(latents)

    scheduler = prepared(DDIMScheduler)
    assert render(scheduler, on_step_end=replace).abs().max() == 0
    assert calls == [(step, int(time)) for step, time in enumerate(scheduler.timesteps)]


def test_m7_latents_that_are_not_finite_stop_at_that_step():
    def overflow(latents, timestep, step):
        return torch.full_like(latents, torch.inf) if step == 2 else latents

    message = r"error\[M7\]: frame 5: 192 of 192 latents are not finite at step 2"
    with pytest.raises(QualityError, match=message):
        render(prepared(DDIMScheduler), overflow, frame=5)


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.5])
def test_a_strength_out_of_range_is_refused(strength):
    with pytest.raises(UsageError, match=rf"strength: is {strength}"):
        render(prepared(DDIMScheduler), start=TRUTH, strength=strength)


def test_a_strength_without_a_start_is_refused():
    with pytest.raises(UsageError, match=r"strength: is 0.5 without a start"):
        render(prepared(DDIMScheduler), strength=0.5)


@pytest.mark.parametrize("steps", [0, -1, 5000])
def test_a_number_of_steps_that_cannot_be_taken_is_refused(steps):
    with pytest.raises(UsageError, match=rf"{steps}") as caught:
        prepared(DDIMScheduler, steps=steps)
    assert caught.value.code == "M11"


@pytest.mark.parametrize("scheduler_class", [EulerAncestralDiscreteScheduler, PNDMScheduler])
def test_m11_a_scheduler_that_cannot_take_samples_is_refused(scheduler_class):
    message = rf"M11.*scheduler: {scheduler_class.__name__} cannot serve this model"
    with pytest.raises(UsageError, match=message):
        render(prepared(scheduler_class))
