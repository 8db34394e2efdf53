"""Train the toon model: the autoencoder first, then everything that looks through it.

Each stage writes into its own folder below the run's, goes on where it stopped, and reads the
averaged weights of the stages before it. `export` makes the pipeline folder that ships.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer

from dtvideo.errors import ModelError
from dtvideo.toon.data import picture_chunk
from dtvideo.toon.keypoints import KeypointNet
from dtvideo.toon.learn_autoencoder import AutoencoderTraining, train_autoencoder
from dtvideo.toon.learn_denoiser import DenoiserTraining, build_denoiser, train_denoiser
from dtvideo.toon.learn_keypoints import KeypointTraining, train_keypoints
from dtvideo.toon.model import build_autoencoder, build_scheduler
from dtvideo.toon.tokenizer import build_tokenizer
from dtvideo.toon.world import sample_scene
from dtvideo.training.checkpoints import load_average

Report = Callable[[str], None]


@dataclass(frozen=True)
class ToonTraining:
    """The whole recipe, one table a stage."""

    autoencoder: AutoencoderTraining = AutoencoderTraining()
    denoiser: DenoiserTraining = DenoiserTraining()
    keypoints: KeypointTraining = KeypointTraining()
    threads: int = 2
    """Threads of torch; they are part of the recipe, for they decide the last bits."""


STAGES = ("autoencoder", "denoiser", "keypoints")

DEFAULTS = {"steps": 4, "mode": "none", "reference_weight": 10.0, "previous_weight": 1.0}
"""What the exported pipeline's `open` takes when it is told nothing."""


def train_stage(stage: str, settings: ToonTraining, run: Path, *, report: Report = print) -> None:
    """Train one stage of a run, from its last checkpoint if there is one.

    Raises: ModelError when a stage before it has no checkpoint.
    """
    torch.set_num_threads(settings.threads)
    if stage == "autoencoder":
        train_autoencoder(settings.autoencoder, run / stage, report=report)
    elif stage == "keypoints":
        train_keypoints(settings.keypoints, run / stage, report=report)
    else:
        train_denoiser(
            settings.denoiser,
            run / stage,
            vae=trained_autoencoder(run),
            tokenizer=run_tokenizer(run),
            report=report,
        )


def trained_autoencoder(run: Path) -> AutoencoderKL:
    """Return the run's autoencoder, its scaling factor measured on training pictures."""
    vae = build_autoencoder()
    load_average(vae, _checkpoint(run, "autoencoder"))
    vae = vae.eval().requires_grad_(False)
    pictures = picture_chunk(0, 0, scenes=32, per_scene=2, size=vae.config.sample_size).images
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        spread = vae.encode(pixels).latent_dist.mean.std().item()
    vae.register_to_config(scaling_factor=round(1 / spread, 4))
    return vae


def run_tokenizer(run: Path) -> CLIPTokenizer:
    """Return the run's tokenizer; it is made from the drawn world's captions once and kept."""
    folder = run / "tokenizer"
    if not folder.exists():
        captions = [sample_scene(seed).caption for seed in range(4000)]
        words = {word for caption in captions for word in caption.replace(",", " ,").split()}
        build_tokenizer(words).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def export(run: Path, folder: Path, *, report: Report = print) -> None:
    """Write the averaged weights of a run, in half precision, as the folder that ships.

    The denoiser's parts are a pipeline folder; the key-point net lies in `keypoints/` of it.
    """
    from pipelines.animate import AnimationPipeline

    tokenizer = run_tokenizer(run)
    modules = build_denoiser(tokenizer)
    step = load_average(modules, _checkpoint(run, "denoiser"))
    pipeline = AnimationPipeline(
        vae=trained_autoencoder(run),
        tokenizer=tokenizer,
        scheduler=build_scheduler(),
        defaults=DEFAULTS,
        **dict(modules.items()),
    )
    pipeline.to(torch.float16).save_pretrained(folder)
    net = KeypointNet()
    load_average(net, _checkpoint(run, "keypoints"))
    net.to(torch.float16).save_pretrained(folder / "keypoints")
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    report(f"{folder}: denoiser of step {step}, {size / 1e6:.1f} MB in all")


def _checkpoint(run: Path, stage: str) -> Path:
    path = run / stage / "checkpoint.safetensors"
    if not path.exists():
        raise ModelError("M1", path, "is not there", f"train the stage {stage!r} first")
    return path
