"""Learn the toon model's denoiser: U-Net, pose ControlNet and text encoder together.

Trained with the real thing: the reference pass runs at the same timestep through the same
weights, its keys and values are read by self-subject attention, and so are the previous
frame's. What is dropped, and how often, is named in the settings.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from transformers import CLIPTokenizer

from dtvideo.attention import (
    PoseAlignment,
    ReferenceCache,
    SelfSubjectAttention,
    install_self_subject_attention,
)
from dtvideo.errors import ModelError
from dtvideo.models.components import load_component
from dtvideo.models.index import read_index
from dtvideo.seeds import keyed_generator
from dtvideo.toon.colour_heads import ColourHeads
from dtvideo.toon.denoiser_plan import (
    DenoiserTraining,
    Plan,
    draw_timesteps,
    make_plan,
)
from dtvideo.toon.lesson_pool import LessonPool
from dtvideo.toon.lessons import Lessons, encode_lessons
from dtvideo.toon.model import build_controlnet, build_scheduler, build_text_encoder, build_unet
from dtvideo.toon.patches import PatchAutoencoder
from dtvideo.toon.targets import LayerPlaces, Targets, draw_corners, targets_of
from dtvideo.training.losses import figure_weights
from dtvideo.training.steps import Report, optimise

REFERENCE, PREVIOUS = "reference", "previous"


def train_denoiser(
    settings: DenoiserTraining,
    folder: Path,
    *,
    vae: PatchAutoencoder,
    tokenizer: CLIPTokenizer,
    start: Path | None = None,
    device: torch.device | str = "cpu",
    report: Report = print,
) -> None:
    """Train U-Net, ControlNet and text encoder.

    start: the folder of an exported model whose weights the run begins with, instead of random
    ones. Goes on where the run in `folder` stopped.
    Raises: ModelError M1, M2 and M5 as `load_exported`.
    """
    torch.manual_seed(settings.seed)
    modules = build_denoiser(tokenizer)
    if start is not None:
        load_exported(modules, start)
    learnt = with_colour_heads(modules).to(device)
    vae = vae.to(device)
    alphas = build_scheduler().alphas_cumprod
    with (
        learning_attention(modules) as attention,
        LessonPool(settings, tokenizer, device=device) as pool,
    ):

        def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
            batch = encode_lessons(pool.batch(step), vae=vae)
            with half_precision(settings, batch.reference.device):
                return denoising_loss(
                    learnt, attention, batch, settings=settings, alphas=alphas, step=step
                )

        optimise(learnt, loss_at, settings.optimiser, folder=folder, report=report)


def half_precision(
    settings: DenoiserTraining, device: torch.device
) -> AbstractContextManager[object]:
    """Let products be taken in bfloat16, if the settings say so."""
    return torch.autocast(device.type, torch.bfloat16) if settings.half else nullcontext()


def learning_attention(modules: nn.ModuleDict) -> AbstractContextManager[SelfSubjectAttention]:
    """Install the attention in the form that its projections learn from sources too.

    Kept as inputs of the layers, and not as keys and values, sources are projected where they
    are read: with a gradient, also where their own passes have none.
    """
    cache = ReferenceCache("inputs")
    return install_self_subject_attention(modules["unet"], modules["controlnet"], cache=cache)


def build_denoiser(tokenizer: CLIPTokenizer) -> nn.ModuleDict:
    """Return the untrained parts that are trained together, by their component names.

    The U-Net begins by predicting no residual: its first picture is the coarse frame.
    """
    unet = build_unet()
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    return nn.ModuleDict(
        {
            "unet": unet,
            "controlnet": build_controlnet(),
            "text_encoder": build_text_encoder(tokenizer),
        }
    ).to(memory_format=torch.channels_last)


def with_colour_heads(modules: nn.ModuleDict) -> nn.ModuleDict:
    """Return the same modules and, as "colour_heads", untrained heads that only training has."""
    networks = {name: modules[name] for name in ("unet", "controlnet")}
    return nn.ModuleDict({**modules, "colour_heads": ColourHeads(networks)})


def load_exported(modules: nn.ModuleDict, folder: Path) -> None:
    """Load the components of an exported model into the modules of the same names.

    Raises: ModelError as `read_index` and `load_component`; M5 for another architecture.
    """
    parts = read_index(folder).parts
    for name, module in modules.items():
        component = load_component(folder / name, parts[name], dtype=torch.float32)
        try:
            module.load_state_dict(component.state_dict())
        except RuntimeError as error:
            problem = f"does not fit: {str(error).splitlines()[-1].strip()}"
            raise ModelError("M5", folder / name, problem, "begin without it") from None


def denoising_loss(
    modules: nn.ModuleDict,
    attention: SelfSubjectAttention,
    batch: Lessons,
    *,
    settings: DenoiserTraining,
    alphas: Float[Tensor, " steps"],
    step: int,
) -> tuple[Tensor, dict[str, float]]:
    """Return the weighted error of the predicted clean residual of one batch, and its figures.

    modules: as `with_colour_heads`. alphas: the scheduler's abar of each timestep. The loss weighs
    noise levels, the figure and pictures without a coarse frame, is milder to large errors, and
    has the error of the colour heads added. The figures are mean squares of pictures with
    ("refined") and without ("bare") a coarse frame and of the heads ("colours"), where a batch has
    such.
    """
    generator = keyed_generator(settings.seed, "denoiser", step)
    plan = make_plan(settings, generator)
    timesteps = draw_timesteps(settings, len(alphas), generator)
    text = encode_captions(modules, batch.tokens, settings=settings, generator=generator)
    noise = keyed_generator(settings.seed, "noise", step, device=text.device)
    denoiser = _Denoiser(modules, timesteps.to(text.device), alphas[timesteps], text, noise)
    colours = None
    if plan.reference_weight:
        with torch.set_grad_enabled(settings.reference_gradient):
            _write_reference(denoiser, attention, batch, plan)
        colours = _colour_error(modules, attention, batch, settings)
    targets = _drawn(targets_of(batch), settings, generator)
    denoiser = denoiser.repeated(settings.sequels)
    kept = plan.coarse.flatten().to(text.device)
    error = _target_errors(
        denoiser, attention, targets, plan=plan, kept=kept, align=settings.align, size=_size(batch)
    )
    attention.reset()
    weights = (1 / (1 - denoiser.alpha)).clamp(max=settings.weight_limit).flatten()
    weights = weights * torch.where(kept > 0, 1.0, settings.bare_weight)
    losses = _picture_losses(error, targets.mask, settings, size=targets.size)
    squares = error.detach().square().mean(dim=(1, 2, 3))
    groups = {"refined": squares[kept > 0], "bare": squares[kept == 0]}
    figures = {name: group.mean().item() for name, group in groups.items() if len(group)}
    loss = (weights * losses).mean()
    if colours is None:
        return loss, figures
    return loss + settings.colour_weight * colours, {**figures, "colours": colours.item()}


def _colour_error(
    modules: nn.ModuleDict,
    attention: SelfSubjectAttention,
    batch: Lessons,
    settings: DenoiserTraining,
) -> Float[Tensor, ""]:
    weights = figure_weights(batch.reference_mask, settings.figure_weight, size=_size(batch))
    page = attention.cache.page(REFERENCE, 0)
    error: Tensor = modules["colour_heads"](page, batch.reference, weights[:, 0])
    return error


def _drawn(targets: Targets, settings: DenoiserTraining, generator: torch.Generator) -> Targets:
    """Return the targets, or a window of each that holds some of its figure."""
    if not 0 < settings.window < targets.side:
        return targets
    corners = draw_corners(targets.mask, settings.window, generator)
    return targets.window(settings.window, corners)


def _picture_losses(
    error: Float[Tensor, "n c h w"],
    masks: Float[Tensor, "n ph pw"],
    settings: DenoiserTraining,
    *,
    size: tuple[int, int],
) -> Float[Tensor, " n"]:
    """Return the pseudo-Huber loss of each picture: the square of small errors, linear beyond."""
    bent = 2 * error.square() / (1 + (1 + (error / settings.bend).square()).sqrt())
    weighted = figure_weights(masks, settings.figure_weight, size=size) * bent
    return weighted.mean(dim=(1, 2, 3))


def _write_reference(
    denoiser: "_Denoiser", attention: SelfSubjectAttention, batch: Lessons, plan: Plan
) -> None:
    mask = batch.reference_mask if plan.masked else None
    side = batch.reference_mask.shape[-1]
    places = LayerPlaces(batch.reference_places, side) if plan.aligned else None
    size = _size(batch)
    with attention.write(
        REFERENCE, step=0, size=size, mask=mask, places=places, stop_when_written=True
    ):
        denoiser.pass_source(batch.reference, batch.reference_map)


def _target_errors(
    denoiser: "_Denoiser",
    attention: SelfSubjectAttention,
    targets: Targets,
    *,
    plan: Plan,
    kept: Float[Tensor, " n"],
    align: float,
    size: tuple[int, int],
) -> Float[Tensor, "n c h w"]:
    """Return the errors of the targets' residuals; writes the frames before them first.

    kept: 1 where the coarse frame is joined. size: of the whole pictures, in latents; the frame
    before is written as if its window were such a picture, for it is read nowhere else.
    """
    sources = {REFERENCE: plan.reference_weight} if plan.reference_weight else {}
    alignment = PoseAlignment(targets.places(targets.frame_places), align) if plan.aligned else None
    window = None if targets.size == size else targets.size
    if plan.previous_weight:
        _write_previous(denoiser, attention, targets, aligned=plan.aligned)
        sources[PREVIOUS] = plan.previous_weight
    coarse = targets.coarse * kept.to(targets.coarse.device).view(-1, 1, 1, 1)
    residual = targets.frame - coarse
    with attention.read(sources, step=0, window=window, alignment=alignment):
        predicted = denoiser.predict(residual, coarse, targets.frame_map)
    return predicted - residual


def _write_previous(
    denoiser: "_Denoiser", attention: SelfSubjectAttention, targets: Targets, *, aligned: bool
) -> None:
    places = targets.places(targets.before_places) if aligned else None
    writing = attention.write(
        PREVIOUS, step=0, size=targets.size, places=places, stop_when_written=True
    )
    with torch.no_grad(), writing:
        denoiser.pass_source(targets.before, targets.before_map)


class _Denoiser:
    """The networks at the noise levels and with the captions of one batch."""

    def __init__(
        self,
        modules: nn.ModuleDict,
        timesteps: Int[Tensor, " n"],
        alphas: Float[Tensor, " n"],
        text: Float[Tensor, "n l d"],
        noise: torch.Generator,
    ) -> None:
        self._modules, self._timesteps, self._text = modules, timesteps, text
        self._noise = noise
        self.alpha = alphas.view(-1, 1, 1, 1).to(text.device)

    def repeated(self, times: int) -> "_Denoiser":
        """Return the networks for so many pictures of each lesson."""
        return _Denoiser(
            self._modules,
            self._timesteps.repeat_interleave(times),
            self.alpha.flatten().repeat_interleave(times),
            self._text.repeat_interleave(times, dim=0),
            self._noise,
        )

    def pass_source(
        self, latents: Float[Tensor, "n c h w"], pose_map: UInt8[Tensor, "n 3 ph pw"]
    ) -> None:
        """Pass a picture that is its own coarse frame: the residual is zero, only noise is left."""
        self.predict(torch.zeros_like(latents), latents, pose_map)

    def predict(
        self,
        residual: Float[Tensor, "n c h w"],
        coarse: Float[Tensor, "n c h w"],
        pose_map: UInt8[Tensor, "n 3 ph pw"],
    ) -> Float[Tensor, "n c h w"]:
        """Add noise to residuals and return what the networks make of them."""
        noise = torch.randn(residual.shape, generator=self._noise, device=residual.device)
        noisy = self.alpha.sqrt() * residual + (1 - self.alpha).sqrt() * noise
        joined = torch.cat([noisy, coarse], dim=1)
        down, middle = self._modules["controlnet"](
            joined, self._timesteps, self._text, pose_map.float() / 255, return_dict=False
        )
        predicted: Tensor = self._modules["unet"](
            joined,
            self._timesteps,
            self._text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return predicted


def encode_captions(
    modules: nn.ModuleDict,
    tokens: Int[Tensor, "n 2 l"],
    *,
    settings: DenoiserTraining,
    generator: torch.Generator,
) -> Float[Tensor, "n l d"]:
    """Encode the captions, or the empty caption in the place of `no_text` of them.

    tokens: of each caption, then of the empty one.
    """
    dropped = torch.rand(len(tokens), generator=generator) < settings.no_text
    chosen = torch.where(dropped[:, None].to(tokens.device), tokens[:, 1], tokens[:, 0])
    encoded: Tensor = modules["text_encoder"](chosen).last_hidden_state
    return encoded


def _size(batch: Lessons) -> tuple[int, int]:
    height, width = batch.reference.shape[-2:]
    return height, width
