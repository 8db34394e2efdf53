"""Teach a model one character from its picture (fine-tuning of arXiv:2312.13691, section 3.3).

First the model itself makes regular pictures: near misses of the character. Then every step
learns from two pictures: the reference on white, "A <class> [S*]", and a regular one, "A <class>";
so that [S*], a word of its own, comes to mean what the near misses lack. `train_subject` goes on
where a run stopped.

The model is told no layout, as in the paper. A coarse-conditioned one is told the reference's pose.
The reference is learnt with joined zeros in place of a coarse frame, and so is every other regular
picture; the rest are drawn over it, so that to refine is not forgotten. The lessons are those of
`pipelines.subject_lessons`.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dtvideo.errors import OutputError, QualityError, UsageError
from dtvideo.files import sha256_file, write_json
from dtvideo.images import load_image, save_png
from dtvideo.models.verify import note_hashes
from dtvideo.sheet import save_picture_sheet
from dtvideo.subject import SubjectEncoderAttention, install_subject_attention
from dtvideo.training.steps import OptimiserSettings, Report, optimise
from pipelines.animate import AnimationPipeline
from pipelines.generate import Studio, draw_pictures, open_studio
from pipelines.generate_job import GenerateJob
from pipelines.progress import SilentProgress
from pipelines.recipe import differences
from pipelines.subject_lessons import RegularPicture, Teacher
from pipelines.subject_settings import TOKEN, SubjectTraining
from pipelines.work import read_recipe

TRAINING, REGULAR, RECIPE = "training", "regular", "recipe.json"
LORA_FILE, TOKEN_FILE = "lora.safetensors", "token.safetensors"
LORA_LAYERS = ("to_q", "to_k", "to_v", "to_out.0")
SHEET_SEEDS = range(4)
ANY_TIME = ("steps", "checkpoint_every", "sheet_every", "tensorboard")
"""Settings that a run may be given anew when it goes on."""


def train_subject(settings: SubjectTraining, job: GenerateJob, *, report: Report = print) -> Path:
    """Teach the job's model its reference; return the folder of the new model.

    job: says how the regular pictures are made, and where the model goes. Beside the model lie
    `token.safetensors`, the new word as a textual inversion, and for a LoRA `lora.safetensors`;
    the folder `training` holds what a run goes on from.
    Raises: as `open_studio`; OutputError F7 when another model is there; UsageError B10 when the
    run was begun differently; QualityError M7 when the loss is not finite.
    """
    folder, work = job.folder, job.folder / TRAINING
    _check_job(job)
    _check_folder(settings, job)
    _begin(settings, job)
    job = replace(job, output=work / REGULAR, overwrite=True, upscale=1)
    studio = open_studio(job, SilentProgress())
    pipeline = studio.pipeline
    if not isinstance(pipeline, AnimationPipeline):
        raise UsageError("U2", "train subject", "SDXL is not in this version", "use SD 1.5")
    regular = _regular_pictures(job, studio, report) if settings.prior_weight > 0 else []
    studio = _without_coarse_frames(studio)
    torch.manual_seed(settings.seed)
    embedding = add_token(pipeline, settings.class_word)
    pupil = _trainable_parts(pipeline, embedding, rank=settings.rank)
    with ExitStack() as stack:
        stack.enter_context(_spoken(pipeline, embedding))
        teacher = Teacher(settings, studio, regular, _attention(pipeline, stack))
        _learn(settings, studio, pupil, teacher, work=work, report=report)
    _export(pipeline, embedding, settings, folder, guide=studio.guide)
    return folder


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


def _without_coarse_frames(studio: Studio) -> Studio:
    """Let a coarse-conditioned model draw the character itself, in regular pictures and sheets."""
    if not studio.pipeline.is_coarse_conditioned:
        return studio
    return replace(studio, settings=replace(studio.settings, coarse=False))


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
    note_hashes(folder)


def _check_job(job: GenerateJob) -> None:
    if job.output is None:
        raise UsageError("U1", "-o", "is missing", "say where the new model goes")
    for flag, files in job.file_pairs.items():
        if files:
            remedy = "leave it out, add it to animate"
            raise UsageError("U1", f"--{flag}", "cannot be trained on", remedy)
    if job.dtype != "float32":
        raise UsageError("U1", "--dtype", f"{job.dtype} is too coarse", "train in float32")


def _check_folder(settings: SubjectTraining, job: GenerateJob) -> None:
    """Refuse a folder with a model, but for that of this very training, which goes on."""
    path = job.folder / TRAINING / RECIPE
    if job.overwrite or not (job.folder / "model_index.json").exists():
        return
    if not path.exists() or differences(read_recipe(path), _recipe(settings, job)):
        problem = "holds a model already"
        raise OutputError("F7", job.folder, problem, "add --overwrite or give another folder")


def _begin(settings: SubjectTraining, job: GenerateJob) -> None:
    """Note how the run is made, or check that it was begun in the same way."""
    work, recipe = job.folder / TRAINING, _recipe(settings, job)
    if (work / RECIPE).exists():
        different = differences(read_recipe(work / RECIPE), recipe)
        if different and not job.overwrite:
            problem = f"was begun differently: {'; '.join(different)}"
            raise UsageError("B10", work, problem, "give --overwrite to begin again")
        if not different:
            return
        shutil.rmtree(work)
    write_json(work / RECIPE, recipe)


def _recipe(settings: SubjectTraining, job: GenerateJob) -> dict[str, object]:
    """Return how a run is made, but for what may be given anew."""
    kept = {key: value for key, value in asdict(settings).items() if key not in ANY_TIME}
    apart = ("overwrite", "output", "threads", "locked")
    asked = {key: value for key, value in job.settings().items() if key not in apart}
    return {"training": kept, "pictures": asked, "reference": sha256_file(job.reference)}


def _regular_pictures(job: GenerateJob, studio: Studio, report: Report) -> list[RegularPicture]:
    """Return the regular pictures, made by the model as it is; those that are there are kept.

    Of a coarse-conditioned model those of odd numbers are drawn over the coarse frame.
    """
    bare = _without_coarse_frames(studio)
    is_coarse = studio.pipeline.is_coarse_conditioned
    coarse = studio.reference.puppet.frame(studio.pose) if is_coarse else None
    regular = []
    for seed in job.seeds:
        refined = is_coarse and seed % 2 == 1
        if not job.picture(seed).exists():
            ((_, image),) = draw_pictures(studio if refined else bare, [seed])
            save_png(job.picture(seed), image)
            report(f"regular picture {seed}")
        picture = load_image(job.picture(seed)).rgb
        regular.append(RegularPicture(picture, coarse if refined else None))
    return regular
