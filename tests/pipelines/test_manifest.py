import json

import pytest

from dtvideo.errors import MediaError, OutputError, UsageError
from pipelines.manifest import json_schema, load_manifest
from pipelines.manifest_file import ManifestError
from pipelines.manifest_writer import write_manifest
from tests.manifests import GOOD, faults_of, fill, write

SPOILT = """
output: "out/{clip}.mp4"
verson: 2
settings: {size: 64, fps: 25, steps: few}
characters:
  hero: {reference: hero.png, seed: -1, seed: 2}
  girl: {reference: girl.png, drivr: dance.mp4}
  boy: {refrence: ../boy.png}
clips:
  dance: {driver: dance.mp4, background: plaid}
  DANCE: {poses: walk.json, frames: 9-2}
  "a:b": {poses: walk.json, prompt: true}
overrides:
  - {clip: walk, seed: 1}
  - {character: hero, clip: dance, beta: 9}
  - {character: hero, clip: dance, skip: yes}
  - {character: her, clip: dnce}
"""


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "batch")


def test_characters_are_crossed_with_clips_and_the_nearest_setting_wins(folder):
    clips = {clip.name: clip.job for clip in load_manifest(write(folder, GOOD))}
    assert list(clips) == ["hero/dance", "girl/dance", "girl/walk"]
    assert [job.seed for job in clips.values()] == [3, 4, 6]
    hero, walk = clips["hero/dance"], clips["girl/walk"]
    assert (hero.prompt, hero.size, hero.threads, hero.resume) == ("a knight", (64, 32), 1, True)
    assert (walk.steps, walk.frames, walk.poses) == (9, (2, 5), folder / "walk.json")
    assert hero.target == folder / "out" / "hero" / "dance.v007.mp4"


def test_json_lines_name_one_clip_each(folder):
    lines = [
        {"name": "a", "reference": "hero.png", "driver": "dance.mp4", "output": "{clip}.mp4"},
        {"name": "b", "reference": "girl.png", "poses": "walk.json", "output": "b/{seed:04}.mp4"},
    ]
    text = "\n".join(map(json.dumps, lines))
    first, second = load_manifest(write(folder, text, "batch.jsonl"))
    assert (first.name, first.line, first.job.target) == ("a", 1, folder / "a.mp4")
    assert (second.line, second.job.target) == (2, folder / "b" / "0000.mp4")


def test_b5_a_line_that_is_there_twice_counts_once(folder):
    line = json.dumps(
        {"name": "a", "reference": "hero.png", "driver": "dance.mp4", "output": "a.mp4"}
    )
    assert len(load_manifest(write(folder, f"{line}\n\n{line}\n", "batch.jsonl"))) == 1


def test_every_fault_is_told_at_once_with_its_line(folder):
    text = (
        GOOD.replace("seed: 3", "sed: 3")
        .replace("prompt:", "promt:")
        .replace("steps: 9", "steps: x")
    )
    told = faults_of(folder, text)
    assert [line for _, line, _ in told] == [4, 6, 12]
    assert told[0][2] == "settings.sed: is no setting · did you mean 'seed'?"
    assert "did you mean 'prompt'?" in told[1][2]


def test_faults_of_every_kind_are_told_in_one_pass_each_once(folder):
    (folder / "dance.mp4").unlink()
    (folder / "girl.png").unlink()
    (folder / "girl.png").mkdir()
    told = faults_of(folder, SPOILT)
    missing = "dance.mp4: is missing · paths start at the manifest's folder"
    assert [(code, line, problem.split(" · give")[0]) for code, line, problem in told] == [
        ("B2", 3, "verson: is no setting · did you mean 'version'?"),
        ("B2", 4, "settings.steps: should be a valid integer, not 'few'"),
        ("B2", 4, "settings.fps: is no setting · did you mean 'rate'?"),
        (
            "M11",
            4,
            "settings.size: --size: '64' cannot be used · "
            "write width x height in pixels, such as 256x384",
        ),
        ("B2", 6, "key 'seed' is given twice (line 6)"),
        ("M11", 6, "characters.hero.seed: --seed: -1 is out of range"),
        ("B2", 7, "characters.girl.drivr: is no setting · did you mean 'driver'?"),
        ("V1", 7, f"characters.girl.reference: {folder}/girl.png: is a folder, not a file"),
        ("V1", 7, f"characters.girl.driver: {missing}"),
        ("B2", 8, "characters.boy.refrence: is no setting · did you mean 'reference'?"),
        (
            "B1",
            8,
            f"characters.boy.reference: ../boy.png: leads out of {folder} · "
            "move it inside, or see --allow-outside",
        ),
        ("V1", 10, f"clips.dance.driver: {missing}"),
        ("M11", 10, "clips.dance.background: --background: 'plaid' cannot be used"),
        ("F6", 10, "girl/dance: writes dance.mp4, as hero/dance does (line 10)"),
        ("F6", 10, "boy/dance: writes dance.mp4, as hero/dance does (line 10)"),
        ("M11", 11, "clips.DANCE.frames: --frames: '9-2' cannot be used · first comes before last"),
        ("F6", 11, "hero/DANCE: writes DANCE.mp4, as hero/dance does (line 10)"),
        ("F6", 11, "girl/DANCE: writes DANCE.mp4, as hero/dance does (line 10)"),
        ("F6", 11, "boy/DANCE: writes DANCE.mp4, as hero/dance does (line 10)"),
        ("B2", 12, "clips.a:b.prompt: should be a valid string, not True · put it in quotes"),
        (
            "B1",
            12,
            "out/a:b.mp4: 'a:b.mp4' is no file name on every system · "
            "rename the character or the clip",
        ),
        ("B2", 14, "overrides.0.character: is missing"),
        ("B2", 14, "there is no clip 'walk'"),
        ("M11", 15, "overrides.1.beta: --beta: 9.0 is out of range"),
        ("B2", 16, "hero/dance has an override already, line 15"),
        ("B2", 17, "there is no character 'her' · did you mean 'hero'?"),
        ("B2", 17, "there is no clip 'dnce' · did you mean 'dance'?"),
    ]


def test_faults_of_lines_are_told_with_those_of_the_settings_in_other_lines(folder):
    whole = {"reference": "hero.png", "driver": "dance.mp4"}
    lines = [
        {"name": "a", "output": "a.mp4", **whole},
        {"name": "a", "output": "b.mp4", **whole, "frames": "3"},
        {"name": "c", "output": "A.MP4", **whole, "fps": 25},
        {"name": "d", "output": "d.mp4", "reference": "none.png"},
        {"output": "e.mp4", **whole},
        {"name": "g", "output": "dance.mp4", **whole},
    ]
    text = "\n".join(["{", *map(json.dumps, lines)])
    told = [(code, line) for code, line, _ in faults_of(folder, text, "batch.jsonl")]
    assert told == [
        *[("B3", 1), ("F6", 3), ("B2", 4), ("F6", 4), ("V1", 5), ("U1", 5), ("B2", 6)],
        ("F7", 7),
    ]


def test_a_line_ends_at_a_line_feed_only(folder):
    line = {"name": "a", "reference": "hero.png", "driver": "dance.mp4", "output": "a.mp4"}
    text = json.dumps({**line, "prompt": "a\u2028b"}, ensure_ascii=False)
    (clip,) = load_manifest(write(folder, f"{text}\r\n", "batch.jsonl"))
    assert clip.job.prompt == "a\u2028b"


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_lines_that_ask_for_nothing_are_refused(folder, text):
    assert faults_of(folder, text, "batch.jsonl") == [("B2", 1, "asks for no clip")]


def test_one_fault_is_told_in_one_line_and_several_in_one_each(folder):
    path = write(folder, GOOD.replace("seed: 3", "sed: 3"))
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    fault = "settings.sed: is no setting · did you mean 'seed'?"
    assert (caught.value.details, str(caught.value)) == (
        (),
        f"error[B2]: {path}:4: {fault} · nothing was started",
    )
    write(folder, GOOD.replace("seed: 3", "sed: 3").replace("version: 7", "version: x"))
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert caught.value.details[1] == f"error[B2]: {path}:4: {fault}"
    assert str(caught.value) == f"error[B2]: {path}: 2 faults · nothing was started"


def test_names_of_digits_are_names_as_they_are_written(folder):
    text = GOOD.replace("walk", "0010").replace("poses: 0010.json", "poses: walk.json")
    clips = {clip.name: clip.job for clip in load_manifest(write(folder, text))}
    assert list(clips) == ["hero/dance", "girl/dance", "girl/0010"]
    assert clips["girl/0010"].seed == 6


def test_f6_two_clips_whose_frames_go_into_one_folder_are_refused(folder):
    text = GOOD.replace("out/{character}/{clip}.v{version:03}.mp4", "out/{character}")
    assert [(code, line) for code, line, _ in faults_of(folder, text)] == [("F6", 10)]


def test_f7_a_result_that_would_replace_an_input_is_refused(folder):
    text = GOOD.replace("out/{character}/{clip}.v{version:03}.mp4", "{clip}.mp4")
    text = text.replace("  girl: {reference: girl.png, seed: 4}\n", "").split("overrides")[0]
    told = faults_of(folder, text)
    assert told == [
        ("F7", 8, "hero/dance: writes dance.mp4, which is an input"),
        ("F7", 9, "hero/walk: writes walk.json, which is an input"),
    ]


def test_b3_all_bad_lines_of_a_thousand_are_told(folder):
    good = json.dumps(
        {"name": "a", "reference": "hero.png", "driver": "dance.mp4", "output": "a.mp4"}
    )
    lines = [good] * 1000
    lines[511], lines[700] = "{broken", '{"name": "x", "name": "y"}'
    told = faults_of(folder, "\n".join(lines), "batch.jsonl")
    assert [(code, line) for code, line, _ in told] == [("B3", 512), ("B3", 701)]
    assert "given twice" in told[1][2]


def test_missing_inputs_are_all_told(folder):
    (folder / "dance.mp4").unlink()
    (folder / "girl.png").unlink()
    missing = "is missing · paths start at the manifest's folder"
    assert faults_of(folder, GOOD) == [
        ("V1", 7, f"characters.girl.reference: girl.png: {missing}"),
        ("V1", 9, f"clips.dance.driver: dance.mp4: {missing}"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("characters: !!python/object:os.system {}\n", 1, "tag"),
        ("a: &a [x]\nb: [*a, *a]\n", 2, "aliases"),
        ("[" * 40 + "]" * 40, 1, "nested deeper"),
        ("version: 1\nversion: 2\n", 2, "given twice"),
        ("characters:\n\thero: x\n", 2, "not YAML"),
        ("version: [1\n", 2, "not YAML"),
        ("- 1\n- 2\n", 1, "should be a table"),
        ("", 1, "is empty"),
        ("# nothing\n---\n", 1, "is empty"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: 1\nb: \x00\n", 2, "U+0000"),
        ('a: "\\ud800"\n', 1, "half of a character"),
        ("version: !!bool maybe\n", 1, "tag"),
        ("version: !!int ''\n", 1, "tag"),
        ("version: " + "1:" * 200_000 + "1\n", 1, "integer, not '1:1:"),
        ("version: 0x" + "f" * 9999 + "\n", 1, "integer, not '0xf"),
        ("version: " + "9" * 9999 + "\n", 1, "integer, not '999"),
        ("version: # 1\n", 1, "version is empty"),
        ("a: 1\n[b, c]: 2\n", 2, "no plain word"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", 3, "aliases"),
        (b"version: 1\noutput: caf\xe9\n", 2, "is not UTF-8 at byte 22"),
        ("version: 1\n".encode("utf-16"), 1, "is not UTF-8 at byte 0"),
        ("[1, " + "1, " * 210_000 + "1]", 1, "more than 200000 values"),
    ],
)
def test_b2_hostile_and_broken_yaml_is_refused_with_its_line(folder, text, line, reason):
    told = faults_of(folder, text)
    assert any(at == line and reason in problem for _, at, problem in told)


def test_b2_a_huge_manifest_is_not_read(folder):
    with pytest.raises(UsageError, match="larger than 8 MiB"):
        load_manifest(write(folder, b"#" * (9 * 2**20)))


def test_b2_byte_order_marks_and_windows_line_ends_are_fine(folder):
    text = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert len(load_manifest(write(folder, text))) == 3


def test_a_missing_manifest_is_named(folder):
    with pytest.raises(MediaError, match=r"none\.yaml"):
        load_manifest(folder / "none.yaml")


def test_impossible_settings_are_told_with_the_clip(folder):
    told = faults_of(folder, GOOD.replace("size: 64x32", "size: 64"))
    assert [(code, line) for code, line, _ in told] == [("M11", 4)]
    assert told[0][2].startswith("settings.size: --size: '64' cannot be used · write width")


def test_an_override_of_nothing_is_refused(folder):
    told = faults_of(folder, GOOD.replace("clip: walk, seed: 6", "clip: wakl, seed: 6"))
    assert told == [("B2", 12, "there is no clip 'wakl' · did you mean 'walk'?")]


def test_the_schema_names_every_setting():
    schema = json_schema()
    assert {"characters", "clips", "output"} <= set(schema["properties"])
    assert "reference_weight" in schema["$defs"]["Settings"]["properties"]


def test_a_manifest_of_two_folders_is_written_and_read(tmp_path):
    for folder, names in (("characters", ("hero.png", "note.txt")), ("clips", ("a.mp4", "a.mov"))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(b"x")
    path = tmp_path / "batch.yaml"
    write_manifest(path, tmp_path / "characters", tmp_path / "clips")
    clips = load_manifest(path)
    assert [clip.name for clip in clips] == ["hero/a.mov", "hero/a.mp4"]
    assert clips[0].job.target == tmp_path / "out" / "hero" / "a.mov.mp4"
    with pytest.raises(OutputError, match="exists already"):
        write_manifest(path, tmp_path / "characters", tmp_path / "clips")


def test_an_empty_folder_makes_no_manifest(tmp_path):
    with pytest.raises(MediaError, match="has no"):
        write_manifest(tmp_path / "batch.yaml", tmp_path, tmp_path)


def test_who_is_meant_in_the_picture_is_told_by_its_own_flag(folder):
    told = faults_of(folder, GOOD.replace("seed: 3", "reference_person: middle, person: middle"))
    problems = " ".join(problem for _, _, problem in told)
    assert "settings.reference_person: --ref-person: 'middle'" in problems
    assert "settings.person: --person: 'middle'" in problems
