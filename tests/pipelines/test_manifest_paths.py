import pytest

from dtvideo.errors import UsageError
from pipelines.manifest import expand, load_manifest
from pipelines.manifest_writer import write_manifest
from tests.manifests import GOOD, faults_of, fill, write


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "batch")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../secret.png", "leads out of"),
        ("/etc/passwd", "is not relative"),
        ("~/x.png", "is not relative"),
        ("C:\\\\x.png", "is not relative"),
        ("link.png", "leads out of"),
        ("a\\0b.png", "NUL"),
    ],
)
def test_b1_inputs_stay_in_the_manifests_folder(folder, path, reason):
    (folder.parent / "secret.png").write_bytes(b"x")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    told = faults_of(folder, GOOD.replace("hero.png", f'"{path}"'))
    assert told[0][0] == "B1"
    assert reason in told[0][2]


def test_inputs_may_lie_outside_when_that_is_allowed(folder):
    (folder.parent / "secret.png").write_bytes(b"x")
    text = GOOD.replace("hero.png", "../secret.png")
    assert load_manifest(write(folder, text), allow_outside=True)[0].job.reference.exists()


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("model: %s", "../secret.safetensors"),
        ("model: %s", "/etc/model"),
        ("model: %s", "~/model"),
        ("model: %s", "link.safetensors"),
        ("controlnet: %s", "../secret.safetensors"),
        ("loras: ['%s:0.5']", "../secret.safetensors"),
        ("loras: ['%s']", "link.safetensors"),
        ("embeddings: ['%s']", "../secret.safetensors"),
        ("ip_adapters: ['%s:0.5']", "link.safetensors"),
        ("matte: %s", "../secret.onnx"),
    ],
)
def test_b1_models_and_adapters_stay_in_the_manifests_folder(folder, setting, path):
    for suffix in (".safetensors", ".onnx"):
        (folder.parent / f"secret{suffix}").write_bytes(b"x")
    (folder / "link.safetensors").symlink_to(folder.parent / "secret.safetensors")
    told = faults_of(folder, GOOD.replace("seed: 3", setting % path))
    assert {code for code, _, _ in told} == {"B1"}


def test_models_and_adapters_start_at_the_manifests_folder_and_names_stay_names(folder):
    for name in ("style.safetensors", "guide.safetensors", "cut.onnx"):
        (folder / name).write_bytes(b"x")
    (folder / "owner" / "here").mkdir(parents=True)
    given = "loras: ['style.safetensors:0.5'], embeddings: ['style.safetensors:rei'], "
    given += "ip_adapters: ['style.safetensors'], controlnet: guide.safetensors, matte: cut.onnx"
    job = load_manifest(write(folder, GOOD.replace("seed: 3", given)))[0].job
    assert job.loras == ((str(folder / "style.safetensors"), 0.5),)
    assert job.embeddings == ((str(folder / "style.safetensors"), "rei"),)
    assert job.ip_adapters == ((str(folder / "style.safetensors"), 0.3),)
    assert job.controlnet == str(folder / "guide.safetensors")
    assert job.matte == str(folder / "cut.onnx")
    for text, model in (
        ("toon", "toon"),
        ("owner/elsewhere", "owner/elsewhere"),
        ("owner/here", str(folder / "owner/here")),
        ("./owner/here", str(folder / "owner/here")),
    ):
        given = GOOD.replace("seed: 3", f"model: {text}, matte: u2net")
        job = load_manifest(write(folder, given))[0].job
        assert (job.model, job.matte) == (model, "u2net")


def test_a_model_that_is_neither_there_nor_a_hub_id_is_told(folder):
    told = faults_of(folder, GOOD.replace("seed: 3", "model: tooon"))
    assert {code for code, _, _ in told} == {"V1"}


@pytest.mark.parametrize(
    "template",
    [
        "../{clip}-{character}.mp4",
        "/tmp/{character}{clip}.mp4",
        "{0.__class__}.mp4",
        "{clip.__class__}.mp4",
        "{clip!r}.mp4",
        "{nothing}.mp4",
        "{clip.mp4",
        "con/{character}{clip}.mp4",
        "x./{character}{clip}.mp4",
    ],
)
def test_b1_outputs_stay_in_their_folder_and_templates_only_name_names(folder, template):
    text = GOOD.replace("out/{character}/{clip}.v{version:03}.mp4", template)
    told = faults_of(folder, text, allow_outside=True)
    assert {code for code, _, _ in told} == {"B1"}


def test_a_template_is_filled_with_leading_zeros():
    assert expand("{a}/{b:04}.mp4", {"a": "x", "b": 12}) == "x/0012.mp4"
    with pytest.raises(UsageError, match=r"a '\.\.' is no file name"):
        expand("{a}", {"a": ".."})


@pytest.mark.parametrize(
    "name", ["CON", "nul.v2", "lpt1", "dance.", "dance ", "a:b", "what?", "n" * 250]
)
def test_f11_a_name_that_some_system_cannot_have_is_refused(folder, name):
    text = GOOD.split("overrides")[0].replace("dance:", f'"{name}":')
    text = text.replace("out/{character}/{clip}.v{version:03}", "{clip}/{character}")
    told = faults_of(folder, text)
    assert {code for code, _, _ in told} == {"B1"}
    assert "is no file name on every system" in told[0][2]


@pytest.mark.parametrize(("one", "other"), [("dance", "DANCE"), ("caf\u00e9", "cafe\u0301")])
def test_f6_two_clips_with_one_result_are_refused(folder, one, other):
    text = GOOD.replace("dance:", f"{one}:").replace("walk:", f"{other}:").split("overrides")[0]
    told = faults_of(folder, text)
    assert [code for code, _, _ in told] == ["F6", "F6"]
    assert "as hero/" in told[0][2]


@pytest.mark.parametrize("pattern", ["frame.%04d.png", "FRAME.####.png", "frame.%04d.exr"])
def test_f6_frames_of_two_clips_with_the_same_names_are_refused(folder, pattern):
    values = '"reference": "hero.png", "poses": "walk.json", "size": "64x32"'
    lines = [
        f'{{"name": "one", "output": "out/walk/", {values}}}',
        f'{{"name": "two", "output": "out/walk/{pattern}", {values}}}',
        f'{{"name": "three", "output": "out/walk/shot.%04d.png", {values}}}',
    ]
    told = faults_of(folder, "\n".join(lines), "batch.jsonl")
    assert told == [("F6", 2, f"two: writes {pattern}, as one does (line 1)")]


def test_names_that_differ_in_their_case_alone_are_written_as_different_ones(tmp_path):
    for folder, names in (
        ("characters", ("Hero.png", "hero.png", "HERO.jpg", "hero-2.png")),
        ("clips", ("a.mp4", "A.mp4")),
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(b"x")
    path = tmp_path / "batch.yaml"
    write_manifest(path, tmp_path / "characters", tmp_path / "clips")
    names = [clip.name for clip in load_manifest(path)]
    heroes = ("HERO.jpg", "Hero.png", "hero-2", "hero-3")
    assert names == [f"{hero}/{clip}" for hero in heroes for clip in ("A.mp4", "a-2")]
