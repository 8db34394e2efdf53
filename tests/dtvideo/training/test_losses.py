import pytest
import torch
from diffusers import DDIMScheduler

from dtvideo.errors import ModelError
from dtvideo.training.losses import denoising_loss, denoising_target, figure_weights

CLEAN, NOISE = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), -1.0)
TIMES = torch.tensor([0, 700])


def scheduler(kind):
    return DDIMScheduler(prediction_type=kind)


def test_each_kind_of_model_has_its_own_target():
    assert denoising_target(scheduler("epsilon"), CLEAN, noise=NOISE, timesteps=TIMES) is NOISE
    assert denoising_target(scheduler("sample"), CLEAN, noise=NOISE, timesteps=TIMES) is CLEAN
    velocity = scheduler("v_prediction")
    found = denoising_target(velocity, CLEAN, noise=NOISE, timesteps=TIMES)
    torch.testing.assert_close(found, velocity.get_velocity(CLEAN, NOISE, TIMES))


def test_another_kind_is_refused():
    odd = scheduler("epsilon")
    odd.register_to_config(prediction_type="flow")
    with pytest.raises(ModelError, match=r"M5.*scheduler: predicts 'flow'"):
        denoising_target(odd, CLEAN, noise=NOISE, timesteps=TIMES)


def test_an_error_counts_more_where_little_noise_hides_the_picture():
    """An error of 1 everywhere: weight 5, the limit, at the first level, 1 / (1 - abar) later."""
    kept = scheduler("sample").alphas_cumprod[700]
    expected = (5 + 1 / (1 - kept)) / 2
    for kind, wanted in (("sample", expected), ("epsilon", torch.tensor(1.0))):
        found = denoising_loss(scheduler(kind), CLEAN + 1, CLEAN, timesteps=TIMES)
        torch.testing.assert_close(found, wanted)


def test_latents_that_see_some_of_the_figure_have_its_weight():
    masks = torch.zeros(1, 8, 8)
    masks[0, 3, 4] = 1.0
    expected = torch.ones(1, 1, 2, 2)
    expected[0, 0, 0, 1] = 3.0
    assert torch.equal(figure_weights(masks, 3.0, size=(2, 2)), expected)


def test_an_error_where_the_weight_is_counts_by_its_share():
    """Of four places one has an error of 2; it counts as three of the six there are then."""
    target = torch.zeros(1, 2, 2, 2)
    found, weights = target.clone(), torch.ones(1, 1, 2, 2)
    found[..., 0, 0], weights[..., 0, 0] = 2.0, 3.0
    loss = denoising_loss(scheduler("epsilon"), found, target, timesteps=TIMES[:1], weights=weights)
    assert loss == pytest.approx(4 * 3 / 6)
