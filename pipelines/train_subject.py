"""Teach a model one character from its picture (fine-tuning of arXiv:2312.13691, section 3.3).

First the model itself makes regular pictures: near misses of the character. Then every step
learns from two pictures: the reference on white, "A <class> [S*]", and a regular one, "A <class>";
so that [S*], a word of its own, comes to mean what the near misses lack. `train_subject` goes on
where a run stopped.

The model is told no layout, as in the paper; a coarse-conditioned one is told the reference's pose,
and joined zeros in place of a coarse frame.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from dtvideo.errors import OutputError, QualityError, UsageError
from dtvideo.files import sha256_file, write_json
from dtvideo.images import load_image, save_png
from dtvideo.latents import encode_picture
from dtvideo.seeds import keyed_generator
from dtvideo.sheet import save_picture_sheet
from dtvideo.subject import (
    SubjectEncoder,
    SubjectEncoderAttention,
    install_subject_attention,
    subject_picture,
)
from dtvideo.training.losses import denoising_loss, denoising_target
from dtvideo.training.steps import OptimiserSettings, Report, optimise
from pipelines.animate import AnimationPipeline
from pipelines.condition import Condition, Words
from pipelines.generate import Studio, draw_pictures, open_studio
from pipelines.generate_job import GenerateJob
from pipelines.progress import SilentProgress
from pipelines.subject_settings import TOKEN, SubjectTraining
from pipelines.work import differences, read_recipe

TRAINING, REGULAR, RECIPE = "training", "regular", "recipe.json"
LORA_FILE, TOKEN_FILE = "lora.safetensors", "token.safetensors"
LORA_LAYERS = ("to_q", "to_k", "to_v", "to_out.0")
SHEET_SEEDS = range(4)
ANY_TIME = ("steps", "checkpoint_every", "sheet_every", "tensorboard")
"""Settings that a run may be given anew when it goes on."""

Picture = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, eq=False)
class Lesson:
    """One picture to learn from: what is to be made, and what is told about it.

    tokens: of a subject encoder, where there is one.
    """

    latents: Float[Tensor, "1 c lh lw"]
    words: Float[Tensor, "1 n d"]
    tokens: Float[Tensor, "1 m d"] | None
    pose: Float[Tensor, "1 3 h w"]
    noise: Float[Tensor, "1 c lh lw"]
    timesteps: Int[Tensor, " 1"]


def train_subject(settings: SubjectTraining, job: GenerateJob, *, report: Report = print) -> Path:
    """Teach the job's model its reference; return the folder of the new model.

    job: says how the regular pictures are made, and where the model goes. Beside the model lie
    `token.safetensors`, the new word as a textual inversion, and for a LoRA `lora.safetensors`;
    the folder `training` holds what a run goes on from.
    Raises: as `open_studio`; OutputError F7 when a model is there; UsageError B10 when the run was
    begun otherwise; QualityError M7 when the loss is not finite.
    """
    folder, work = job.folder, job.folder / TRAINING
    _check_job(job)
    _begin(settings, job)
    job = replace(job, output=work / REGULAR, overwrite=True, upscale=1)
    studio = open_studio(job, SilentProgress())
    pipeline = studio.pipeline
    if not isinstance(pipeline, AnimationPipeline):
        raise UsageError("U2", "train subject", "SDXL is not in this version", "use SD 1.5")
    regular = _regular_pictures(job, studio, report)
    torch.manual_seed(settings.seed)
    embedding = add_token(pipeline, settings.class_word)
    pupil = _trainable_parts(pipeline, embedding, rank=settings.rank)
    with ExitStack() as stack:
        stack.enter_context(_spoken(pipeline, embedding))
        teacher = Teacher(settings, studio, regular, _attention(pipeline, stack))
        _learn(settings, studio, pupil, teacher, work=work, report=report)
    _export(pipeline, embedding, settings, folder, guide=studio.guide)
    return folder


class Teacher:
    """Gives the loss of a step: a function of the step and of what the model has learnt."""

    def __init__(
        self,
        settings: SubjectTraining,
        studio: Studio,
        regular: Sequence[Picture],
        attention: SubjectEncoderAttention | None,
    ) -> None:
        reference = studio.reference
        on_white = reference.image * reference.mask[..., None]
        on_white = on_white + 255 * (1 - reference.mask[..., None])
        self.settings = settings
        self.pipeline = studio.pipeline
        self.pose = studio.pipeline.prepare_pose(reference.pose, reference.pose.size)
        self.subject: Picture = on_white.round().astype(np.uint8)
        self.regular = regular
        self.attention = attention

    def loss_at(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a step, and its two parts."""
        generator = keyed_generator(self.settings.seed, "subject training", step)
        chosen = int(torch.randint(len(self.regular), (1,), generator=generator))
        subject = self._loss(self.subject, self.settings.subject_words, generator)
        regular = self._loss(self.regular[chosen], self.settings.regular_words, generator)
        figures = {"subject": subject.item(), "regular": regular.item()}
        return subject + self.settings.prior_weight * regular, figures

    def _loss(self, picture: Picture, words: str, generator: torch.Generator) -> Tensor:
        lesson = self._lesson(picture, words, generator)
        with ExitStack() as shown:
            if self.attention is not None and lesson.tokens is not None:
                shown.enter_context(self.attention.show(lesson.tokens, beta=self.settings.beta))
            return picture_loss(self.pipeline, lesson)

    def _lesson(self, picture: Picture, words: str, generator: torch.Generator) -> Lesson:
        pipeline, pose = self.pipeline, self.pose
        if float(torch.rand(1, generator=generator)) < self.settings.flip:
            picture, pose = np.ascontiguousarray(picture[:, ::-1]), pose.flip(-1)
        device = pipeline.unet.device
        with torch.no_grad():
            latents = encode_picture(pipeline.vae, picture, device=device)
        levels = len(pipeline.scheduler.alphas_cumprod)
        return Lesson(
            latents=latents,
            words=pipeline.encode_prompt([words]),
            tokens=self._tokens(picture),
            pose=pose,
            noise=torch.randn(latents.shape, generator=generator).to(device),
            timesteps=torch.randint(levels, (1,), generator=generator).to(device),
        )

    def _tokens(self, picture: Picture) -> Tensor | None:
        encoder: SubjectEncoder | None = self.pipeline.subject_encoder
        if encoder is None or self.attention is None:
            return None
        seen = subject_picture(picture, None, side=encoder.picture_size)
        tokens: Tensor = encoder(seen.to(encoder.device, encoder.dtype))
        return tokens


def picture_loss(pipeline: AnimationPipeline, lesson: Lesson) -> Float[Tensor, ""]:
    """Return the error of a model that is asked for a picture by words."""
    scheduler, timesteps = pipeline.scheduler, lesson.timesteps
    noisy = scheduler.add_noise(lesson.latents, lesson.noise, timesteps)
    prediction = pipeline.predict(
        noisy,
        timesteps,
        condition=Condition(Words(lesson.words), (), lesson.words.new_ones(1)),
        pose=lesson.pose,
        coarse=torch.zeros_like(noisy) if pipeline.is_coarse_conditioned else None,
    )
    target = denoising_target(scheduler, lesson.latents, noise=lesson.noise, timesteps=timesteps)
    return denoising_loss(scheduler, prediction, target, timesteps=timesteps)


def add_token(pipeline: AnimationPipeline, class_word: str) -> nn.Parameter:
    """Add the word [S*] to the tokenizer and the text encoder; return what it means at first.

    That is the mean of the class word's tokens, (1, width).
    Raises: UsageError M11 when the model knows [S*] already.
    """
    tokenizer, encoder = pipeline.tokenizer, pipeline.text_encoder
    tokens = tokenizer(class_word, add_special_tokens=False).input_ids
    if tokenizer.add_tokens(TOKEN) != 1:
        problem = f"knows the word {TOKEN} already"
        raise UsageError("M11", "--model", problem, "train the model that it was made from")
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = encoder.get_input_embeddings().weight
    with torch.no_grad():
        meaning = table[tokens].mean(dim=0, keepdim=True)
        table[-1:] = meaning
    return nn.Parameter(meaning.clone())


@contextmanager
def _spoken(pipeline: AnimationPipeline, embedding: nn.Parameter) -> Iterator[None]:
    """Let the text encoder take the new word's meaning from a parameter of its own."""
    number = pipeline.tokenizer.convert_tokens_to_ids(TOKEN)

    def replaced(table: nn.Module, inputs: tuple[Tensor, ...], meanings: Tensor) -> Tensor:
        return torch.where((inputs[0] == number)[..., None], embedding, meanings)

    hook = pipeline.text_encoder.get_input_embeddings().register_forward_hook(replaced)
    try:
        yield
    finally:
        hook.remove()


def _trainable_parts(
    pipeline: AnimationPipeline, embedding: nn.Parameter, *, rank: int
) -> nn.ParameterDict:
    """Return the parameters that learn, by name; all others are frozen."""
    encoder = pipeline.subject_encoder
    for part in (pipeline.vae, pipeline.controlnet, pipeline.unet, pipeline.text_encoder, encoder):
        if part is not None:
            part.eval().requires_grad_(False)
    if rank:
        from peft import LoraConfig

        layers = list(LORA_LAYERS)
        pipeline.unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=layers))
    else:
        pipeline.unet.requires_grad_(True)
        pipeline.text_encoder.requires_grad_(True)
    if encoder is not None:
        encoder.requires_grad_(True)
        encoder.tower.requires_grad_(False)
    named = {"token": embedding}
    for part in ("unet", "text_encoder", "subject_encoder"):
        module = getattr(pipeline, part)
        for name, parameter in module.named_parameters() if module is not None else ():
            if parameter.requires_grad:
                named[f"{part}/{name.replace('.', '/')}"] = parameter
    return nn.ParameterDict(named)


def _attention(pipeline: AnimationPipeline, stack: ExitStack) -> SubjectEncoderAttention | None:
    encoder = pipeline.subject_encoder
    if encoder is None:
        return None
    return stack.enter_context(install_subject_attention(pipeline.unet, encoder))


def _learn(
    settings: SubjectTraining,
    studio: Studio,
    pupil: nn.ParameterDict,
    teacher: Teacher,
    *,
    work: Path,
    report: Report,
) -> None:
    """Take all steps, with a sheet of samples now and then."""

    def rate_of(name: str) -> float:
        if name == "token":
            return settings.token_rate
        return settings.lora_rate if "/lora_" in name else settings.learning_rate

    def on_step(step: int) -> None:
        if step % settings.sheet_every and step != settings.steps:
            return
        try:
            made = list(draw_pictures(studio, SHEET_SEEDS, prompt=settings.subject_words))
        except QualityError as error:
            report(f"no sheet at step {step}: {error}")
            return
        labelled = [(f"seed {seed}", image) for seed, image in made]
        title = f"{settings.subject_words} · step {step}"
        sheet = work / f"sheet_{step:06d}.png"
        save_picture_sheet(sheet, studio.reference.image, labelled, title=title)

    constant = OptimiserSettings(
        steps=settings.steps,
        learning_rate=1.0,
        warmup=1,
        decay=0.0,
        average=0.0,
        checkpoint_every=settings.checkpoint_every,
        tensorboard=settings.tensorboard,
    )
    optimise(
        pupil,
        teacher.loss_at,
        constant,
        folder=work,
        report=report,
        rate_of=rate_of,
        on_step=on_step,
    )


def _export(
    pipeline: AnimationPipeline,
    embedding: nn.Parameter,
    settings: SubjectTraining,
    folder: Path,
    *,
    guide: Any,
) -> None:
    """Write the model with the new word, the word alone, and the LoRA alone if there is one."""
    from safetensors.torch import save_file

    meaning = embedding.detach()
    with torch.no_grad():
        pipeline.text_encoder.get_input_embeddings().weight[-1:] = meaning
    save_file({TOKEN: meaning[0].clone()}, folder / TOKEN_FILE)
    if settings.rank:
        from peft import get_peft_model_state_dict

        pipeline.save_lora_weights(
            folder,
            unet_lora_layers=get_peft_model_state_dict(pipeline.unet),
            weight_name=LORA_FILE,
        )
        pipeline.unet.fuse_lora()
        pipeline.unet.unload_lora()
    pipeline.register_modules(controlnet=guide)
    pipeline.save_pretrained(folder)


def _check_job(job: GenerateJob) -> None:
    if job.output is None:
        raise UsageError("U1", "-o", "is missing", "say where the new model goes")
    for flag, files in job.file_pairs.items():
        if files:
            remedy = "leave it out, add it to animate"
            raise UsageError("U1", f"--{flag}", "cannot be trained on", remedy)
    if job.dtype != "float32":
        raise UsageError("U1", "--dtype", f"{job.dtype} is too coarse", "train in float32")
    if (job.folder / "model_index.json").exists() and not job.overwrite:
        problem = "holds a model already"
        raise OutputError("F7", job.folder, problem, "add --overwrite or give another folder")


def _begin(settings: SubjectTraining, job: GenerateJob) -> None:
    """Note how the run is made, or check that it was begun in the same way."""
    work = job.folder / TRAINING
    kept = {key: value for key, value in asdict(settings).items() if key not in ANY_TIME}
    apart = ("overwrite", "output", "threads")
    asked = {key: value for key, value in job.settings().items() if key not in apart}
    recipe = {"training": kept, "pictures": asked, "reference": sha256_file(job.reference)}
    if (work / RECIPE).exists():
        different = differences(read_recipe(work / RECIPE), recipe)
        if different and not job.overwrite:
            problem = f"was begun otherwise: {'; '.join(different)}"
            raise UsageError("B10", work, problem, "give --overwrite to begin again")
        if not different:
            return
        shutil.rmtree(work)
    write_json(work / RECIPE, recipe)


def _regular_pictures(job: GenerateJob, studio: Studio, report: Report) -> list[Picture]:
    """Return the regular pictures, made by the model as it is; those that are there are kept."""
    missing = [seed for seed in job.seeds if not job.picture(seed).exists()]
    for number, (seed, image) in enumerate(draw_pictures(studio, missing), start=1):
        save_png(job.picture(seed), image)
        report(f"regular picture {number} of {len(missing)}")
    return [load_image(job.picture(seed)).rgb for seed in job.seeds]
