import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import cli
from dtvideo.denoise import prepare_scheduler
from dtvideo.errors import OutputError, UsageError
from dtvideo.images import load_image
from dtvideo.latents import encode_picture
from dtvideo.training.describe import Captioner
from pipelines.adapters import add_loras
from pipelines.animate import AnimationPipeline
from pipelines.generate import draw_pictures, open_studio
from pipelines.generate_job import GenerateJob
from pipelines.load_model import load_pipeline
from pipelines.progress import SilentProgress
from pipelines.subject_lessons import RegularPicture, Teacher, picture_loss
from pipelines.subject_settings import TOKEN, SubjectTraining
from pipelines.train_subject import add_token, train_subject
from poses.mirror import mirrored
from tests.tiny_judges import write_captioner
from tests.tiny_models import tiny_components, tiny_subject_encoder

SETTINGS = SubjectTraining(class_word="girl", steps=2, learning_rate=1e-3)


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory):
    """A folder with a tiny model that starts from noise, looked at by a subject encoder."""
    folder = tmp_path_factory.mktemp("plain") / "tiny"
    components = tiny_components()
    encoder = tiny_subject_encoder(components["unet"])
    for layer in encoder.attentions.values():
        torch.nn.init.normal_(layer.attention.to_out[0].weight, std=0.1)
    pipeline = AnimationPipeline(**components, subject_encoder=encoder, defaults={"steps": 1})
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def job(tiny_model, stage, tmp_path):
    return GenerateJob(
        reference=stage / "hero.png",
        reference_pose=stage / "pose.json",
        prompt="a girl with red hair",
        count=2,
        steps=1,
        size=(32, 32),
        model=str(tiny_model),
        dtype="float32",
        output=tmp_path / "taught",
    )


def train(settings, job):
    return train_subject(settings, job, report=lambda text: None)


def loaded(folder):
    return load_pipeline(str(folder), device="cpu", dtype="float32")


def weights(folder, part="unet"):
    return load_file(next((folder / part).glob("*.safetensors")))


def differ(one, other):
    return any(not torch.equal(value, other[name]) for name, value in one.items())


def test_the_layout_of_toon_learns_a_word_and_loads_again(job, tiny_model):
    folder = train(SETTINGS, job)
    pipeline = loaded(folder)
    number = pipeline.tokenizer.convert_tokens_to_ids(TOKEN)
    assert pipeline.tokenizer(f"A girl {TOKEN}").input_ids[-2] == number
    table = pipeline.text_encoder.get_input_embeddings().weight
    old = pipeline.tokenizer("girl", add_special_tokens=False).input_ids
    taught = load_file(folder / "token.safetensors")[TOKEN]
    assert torch.equal(table[number], taught)
    assert not torch.allclose(taught, table[old[0]], atol=1e-3)
    assert differ(weights(folder), weights(tiny_model))
    for part in ("vae", "controlnet"):
        assert not differ(weights(folder, part), weights(tiny_model, part))
    names = {path.name for path in (folder / "training").iterdir()}
    assert {"recipe.json", "checkpoint.safetensors", "sheet_000002.png", "regular"} <= names
    assert len(list((folder / "training" / "regular").glob("*.png"))) == 2


def test_a_run_that_went_on_ends_with_the_bits_of_one_that_did_not_stop(job, tmp_path):
    whole = train(replace(SETTINGS, steps=3), job)
    parts = replace(job, output=tmp_path / "parts")
    train(replace(SETTINGS, steps=1), parts)
    for _ in range(2):  # the last time nothing is left to learn
        train(replace(SETTINGS, steps=3, sheet_every=2), parts)
        for part in ("unet", "text_encoder"):
            assert not differ(weights(whole, part), weights(parts.folder, part))


def test_a_model_with_a_subject_encoder_teaches_that_too(job, plain_model):
    folder = train(SETTINGS, replace(job, model=str(plain_model)))
    before, after = (weights(place, "subject_encoder") for place in (plain_model, folder))
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert not any(name.startswith("tower") for name in changed)
    assert loaded(folder).controlnet is not None


def test_a_lora_alone_makes_the_model_that_it_is_fused_into(job, plain_model):
    folder = train(replace(SETTINGS, rank=2, lora_rate=0.05), replace(job, model=str(plain_model)))
    assert differ(weights(folder), weights(plain_model))
    fused, added = loaded(folder), loaded(plain_model)
    add_loras(added, [(str(folder / "lora.safetensors"), 1.0)])
    torch.manual_seed(0)
    inputs = torch.randn(1, 4, 8, 8), torch.tensor(7), torch.randn(1, 5, 32)
    with torch.no_grad():
        plain = loaded(plain_model).unet(*inputs).sample
        first, second = fused.unet(*inputs).sample, added.unet(*inputs).sample
    assert torch.allclose(first, second, atol=1e-5)
    assert not torch.allclose(first, plain, atol=1e-4)


@pytest.fixture
def studio(job):
    return open_studio(job, SilentProgress())


def test_the_new_word_means_its_class_at_first(studio):
    prompts = ["A girl girl", f"A girl {TOKEN}"]
    before = studio.pipeline.encode_prompt(prompts[:1])
    embedding = add_token(studio.pipeline, "girl")
    assert torch.equal(studio.pipeline.encode_prompt(prompts[1:]), before)
    assert embedding.shape == (1, 32)
    with pytest.raises(UsageError, match=r"M11.*knows the word"):
        add_token(studio.pipeline, "girl")


def test_the_loss_is_that_of_two_pictures_and_the_prior_has_its_weight(studio):
    regular = [RegularPicture(np.full((32, 32, 3), grey, np.uint8)) for grey in (90, 200)]
    teacher = Teacher(replace(SETTINGS, prior_weight=0.25), studio, regular, None)
    loss, figures = teacher.loss_at(5)
    assert loss.item() == pytest.approx(figures["subject"] + 0.25 * figures["regular"])
    assert torch.equal(teacher.loss_at(5)[0], loss)
    assert not torch.equal(teacher.loss_at(6)[0], loss)


def test_with_attention_the_networks_see_the_reference_in_its_own_lesson(studio):
    regular = [RegularPicture(np.full((32, 32, 3), 90, np.uint8))]
    plain, seeing = (
        Teacher(replace(SETTINGS, attention=seen, flip=0.0), studio, regular, None)
        for seen in (False, True)
    )
    (_, alone), (loss, figures) = plain.loss_at(5), seeing.loss_at(5)
    assert figures["subject"] != alone["subject"]
    assert torch.equal(seeing.loss_at(5)[0], loss)
    mask = studio.reference.mask.copy()
    seeing.reference = replace(studio.reference, mask=np.zeros_like(mask))
    assert seeing.loss_at(5)[1]["subject"] == pytest.approx(alone["subject"])


def test_without_a_prior_no_regular_picture_is_made(job):
    folder = train(replace(SETTINGS, steps=1, prior_weight=0.0), job)
    assert not (folder / "training" / "regular").exists()


def test_the_reference_is_learnt_on_white(studio):
    teacher = Teacher(SETTINGS, studio, [], None)
    ground = studio.reference.mask == 0
    assert (teacher.subject[ground] == 255).all()
    assert np.array_equal(
        teacher.subject[studio.reference.mask == 1],
        studio.reference.image[studio.reference.mask == 1],
    )


def test_a_perfect_model_has_no_loss(studio):
    """The target is the clean picture where the scheduler predicts samples."""
    teacher = Teacher(replace(SETTINGS, flip=1.0), studio, [], None)
    generator = torch.Generator().manual_seed(0)
    lesson = teacher.lesson(teacher.subject, None, "A girl", generator)
    studio.pipeline.predict = lambda *arguments, **options: lesson.latents
    assert picture_loss(studio.pipeline, lesson).item() == 0


def test_a_mirrored_picture_is_told_the_pose_with_left_and_right_exchanged(studio):
    told = studio.reference.pose
    generator = torch.Generator().manual_seed(0)
    turned = Teacher(replace(SETTINGS, flip=1.0), studio, [], None)
    lesson = turned.lesson(turned.subject, None, "A girl", generator)
    assert np.array_equal(lesson.pose.body, mirrored(told).body, equal_nan=True)
    straight = Teacher(replace(SETTINGS, flip=0.0), studio, [], None)
    plain = straight.lesson(straight.subject, None, "A girl", generator)
    assert np.array_equal(plain.pose.body, told.body, equal_nan=True)
    turned_over = np.ascontiguousarray(turned.subject[:, ::-1])
    with torch.no_grad():
        latents = encode_picture(studio.pipeline.vae, turned_over, device="cpu")
    assert torch.equal(lesson.latents, latents)


def test_a_model_of_few_steps_learns_at_the_noise_it_is_sampled_from(studio):
    teacher = Teacher(SETTINGS, studio, [], None)
    generator = torch.Generator().manual_seed(0)
    steps = studio.pipeline.default_settings.steps
    sampled = prepare_scheduler(studio.pipeline.scheduler, steps=steps).timesteps.tolist()
    lessons = [teacher.lesson(teacher.subject, None, "A girl", generator) for _ in range(24)]
    assert {int(lesson.timesteps) for lesson in lessons} <= set(sampled)


def test_half_of_the_regular_pictures_are_drawn_over_a_coarse_frame_and_half_are_not(job):
    """With one alone the reference would come out again and again; without, refining is lost."""
    folder = train(replace(SETTINGS, steps=1), job)
    made = [load_image(folder / "training" / "regular" / f"hero.{seed}.png").rgb for seed in (0, 1)]
    studio = open_studio(replace(job, output=folder / "other"), SilentProgress())
    bare = replace(studio, settings=replace(studio.settings, coarse=False))
    for seed, (drawn, other) in enumerate([(bare, studio), (studio, bare)]):
        (_, expected), (_, different) = (
            next(draw_pictures(each, [seed])) for each in (drawn, other)
        )
        assert np.array_equal(made[seed], expected)
        assert not np.array_equal(made[seed], different)


def test_what_is_learnt_over_a_coarse_frame_is_the_rest(studio):
    """A picture that is its own coarse frame leaves nothing to be made, mirrored or not."""
    teacher = Teacher(replace(SETTINGS, flip=1.0), studio, [], None)
    generator = torch.Generator().manual_seed(0)
    picture = studio.reference.image
    lesson = teacher.lesson(picture, picture, "A girl", generator)
    assert torch.equal(lesson.coarse, lesson.latents)
    told = []

    def predict(noisy, *arguments, coarse, **options):
        told.append(coarse)
        return torch.zeros_like(noisy)

    studio.pipeline.predict = predict
    assert picture_loss(studio.pipeline, lesson).item() == 0
    assert torch.equal(told[0], lesson.latents)


def test_a_run_is_not_mixed_with_another_one(job):
    train(replace(SETTINGS, steps=1), job)
    with pytest.raises(OutputError, match=r"F7.*holds a model already"):
        train(replace(SETTINGS, prior_weight=0.5), job)
    (job.folder / "model_index.json").unlink()
    with pytest.raises(UsageError, match=r"B10.*prior_weight was 1.0, is 0.5"):
        train(replace(SETTINGS, prior_weight=0.5), job)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"loras": (("style.safetensors", 1.0),)}, "--lora"),
        ({"dtype": "auto"}, "--dtype"),
        ({"output": None}, "-o"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_loaded(job, changes, told):
    with pytest.raises(UsageError, match=f"U1.*{told}"):
        train(SETTINGS, replace(job, **changes))


def test_the_class_must_be_said():
    with pytest.raises(UsageError, match=r"U1.*--class"):
        SubjectTraining()


def test_the_command_trains_and_prints_the_folder(job, capsys):
    words = ["train", "subject", str(job.reference), "--class", "girl", "-o", str(job.output)]
    words += ["--model", job.model, "--ref-pose", str(job.reference_pose), "--size", "32x32"]
    words += ["--steps", "1", "--regular", "1", "--picture-steps", "1", "--rank", "1"]
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 0
    assert capsys.readouterr().out.strip() == str(job.output)
    assert (job.output / "lora.safetensors").is_file()


def test_a_captioner_that_is_named_says_what_the_regular_pictures_show(
    plain_model, stage, tmp_path, capsys
):
    captioner = write_captioner(tmp_path / "captioner")
    words = ["train", "subject", stage / "hero.png", "--class", "girl", "--captioner", captioner]
    words += ["--model", plain_model, "--ref-pose", stage / "pose.json", "--size", "32x32"]
    words += ["--steps", 1, "--regular", 1, "--picture-steps", 1, "-o", tmp_path / "rei"]
    spoken = [str(word) for word in words]
    assert cli.run(cli.toolbox_parser(), spoken) == 0
    told = json.loads((tmp_path / "rei" / "training" / "recipe.json").read_text())
    shown = Captioner(str(captioner))(load_image(stage / "hero.png").rgb)
    assert told["pictures"]["prompt"] == f"A girl, {shown}"
    assert f"caption: {shown}" in capsys.readouterr().err
    assert cli.run(cli.toolbox_parser(), [*spoken, "--prompt", "a girl"]) == 2
    assert "--captioner: there is a --prompt already" in capsys.readouterr().err
