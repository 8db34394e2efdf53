"""One round tells everything: no fault of a manifest is hidden by another one."""

import json

import pytest

from tests.manifests import GOOD, faults_of, fill

LINE = {"name": "a", "reference": "hero.png", "driver": "dance.mp4", "output": "a.mp4"}


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "batch")


def told(folder, text, name="batch.yaml"):
    """Return code, line and the beginning of every fault, without what to do."""
    return [
        (code, line, problem.split(" · ")[0])
        for code, line, problem in faults_of(folder, text, name)
    ]


def lines(folder, *changes):
    text = "\n".join(json.dumps({**LINE, **each}) for each in changes)
    return told(folder, text, "batch.jsonl")


@pytest.mark.parametrize("head", ["character:", "charakters:"])
def test_what_stands_under_a_mistyped_head_is_read_as_what_was_meant(folder, head):
    text = GOOD.replace("characters:", head).replace("hero.png", "none.png")
    assert told(folder, text) == [
        ("B2", 5, f"{head[:-1]}: is no setting"),
        ("V1", 6, "characters.hero.reference: none.png: is missing"),
    ]


@pytest.mark.parametrize(("gap", "problem"), [("", "is missing"), ("clips: {}\n", "is empty")])
def test_without_clips_characters_and_settings_are_read(folder, gap, problem):
    text = GOOD.split("clips:")[0].replace("seed: 3", "seed: -1").replace("girl.png", "none.png")
    assert [
        (code, line, each) for code, line, each in told(folder, text + gap) if code != "B2"
    ] == [
        ("M11", 4, "settings.seed: --seed: -1 is out of range"),
        ("V1", 7, "characters.girl.reference: none.png: is missing"),
    ]
    assert [each for code, _, each in told(folder, text + gap) if code == "B2"] == [
        f"clips: {problem}"
    ]


def test_the_value_of_a_mistyped_setting_is_read_as_well(folder):
    text = (
        GOOD.replace("seed: 3", "sed: -1")
        .replace("driver:", "drivr:")
        .replace("dance.mp4", "x.mp4")
    )
    assert told(folder, text) == [
        ("B2", 4, "settings.sed: is no setting"),
        ("M11", 4, "settings.seed: --seed: -1 is out of range"),
        ("B2", 9, "clips.dance.drivr: is no setting"),
        ("V1", 9, "clips.dance.driver: x.mp4: is missing"),
    ]


def test_a_template_hides_nothing_about_its_clips(folder):
    text = GOOD.replace("{clip}.v{version:03}", "{clp}.{x}").replace(
        "{driver: d", "{poses: walk.json, driver: d"
    )
    (template, *others) = told(folder, text)
    assert template == ("B1", 2, "output: out/{character}/{clp}.{x}.mp4: {clp}, {x} are unknown")
    both = "animate: both a video and --poses are given"
    assert others == [("U1", 9, f"{name}/dance: {both}") for name in ("hero", "girl")]


def test_templates_of_lines_are_told_with_their_lines(folder):
    found = lines(folder, {"output": "{x}.mp4"}, {"name": "b", "output": "{x}.mp4"})
    assert found == [("B1", line, "output: {x}.mp4: {x} is unknown") for line in (1, 2)]


def test_a_setting_that_is_wrong_hides_nothing_that_does_not_follow_from_it(folder):
    changes = {"size": "64", "background": "alpha", "c2pa_key": "hero.png"}
    assert [code for code, _, _ in lines(folder, changes)] == ["M11", "U1", "U1"]
    assert [each for _, _, each in lines(folder, {**changes, "background": "plaid"})][:1] == [
        "0.size: --size: '64' cannot be used"
    ]


def test_settings_that_do_not_fit_together_are_told_together(folder):
    changes = {"poses": "walk.json", "studio": True, "c2pa_cert": "hero.png", "background": "alpha"}
    assert [(code, each.split(": ")[1]) for code, _, each in lines(folder, changes)] == [
        ("U1", "animate"),
        ("U1", "--studio"),
        ("U1", "--background"),
        ("U1", "--c2pa-cert"),
    ]


def test_a_result_that_is_taken_is_told_of_a_clip_with_other_faults(folder):
    broken = {"name": "b", "steps": "few", "driver": None}
    found = lines(folder, {}, broken, {"name": "c", "output": "dance.mp4", "beta": 9})
    assert [(code, line) for code, line, _ in found] == [
        *[("B2", 2), ("U1", 2), ("F6", 2), ("M11", 3), ("F7", 3)],
    ]


def test_nothing_is_said_to_be_taken_by_a_name_that_is_not_known(folder):
    found = lines(folder, {"seed": "x", "output": "{seed}.mp4"}, {"output": "0.mp4", "name": "b"})
    assert [(code, line) for code, line, _ in found] == [("B2", 1)]


def test_a_line_without_a_name_or_an_output_is_read(folder):
    nameless = {key: value for key, value in LINE.items() if key != "name"}
    without = {key: value for key, value in LINE.items() if key != "output"}
    text = "\n".join(map(json.dumps, [{**nameless, "seed": -1}, {**without, "poses": "none.json"}]))
    assert [(code, line) for code, line, _ in told(folder, text, "batch.jsonl")] == [
        *[("B2", 1), ("M11", 1), ("B2", 2), ("V1", 2), ("U1", 2)],
    ]


@pytest.mark.parametrize(
    "override",
    [
        "clip: walk, seed: -1",
        "character: her, clip: walk, seed: -1",
        "character: girl, clip: walk, seed: -1",
    ],
)
def test_the_settings_of_an_override_are_read_whatever_it_is_of(folder, override):
    found = told(folder, f"{GOOD}  - {{{override}}}\n")
    assert [(code, line) for code, line, _ in found] == [("B2", 14), ("M11", 14)]


def test_an_override_that_is_skipped_or_wrong_shifts_no_other(folder):
    text = GOOD.replace("overrides:\n", "overrides:\n  - 5\n  - {clip: walk}\n").replace(
        "seed: 6", "seed: x"
    )
    assert told(folder, text) == [
        ("B2", 12, "overrides.0: should be a table of keys and values, not '5'"),
        ("B2", 13, "overrides.1.character: is missing"),
        ("B2", 14, "overrides.2.seed: should be a valid integer, not 'x'"),
    ]


def test_every_adapter_of_a_list_is_told(folder):
    found = told(
        folder, GOOD.replace("seed: 3", 'loras: ["a.safetensors:99", "hero.png:x", "hero.png:99"]')
    )
    assert [code for code, _, _ in found] == ["V1", "M11", "M11"]


def test_what_stands_under_a_name_that_is_taken_is_read(folder):
    text = GOOD.replace("  girl: {", "  hero: {reference: none.png}\n  girl: {")
    assert told(folder, text) == [
        ("B2", 7, "key 'hero' is given twice (line 6)"),
        ("V1", 7, "characters.hero (line 7).reference: none.png: is missing"),
    ]


def test_both_values_of_a_setting_that_is_given_twice_are_read(folder):
    text = GOOD.replace("{seed: 3, size: 64x32}", "\n  seed: 3\n  size: 64x32\n  seed: -1")
    text = text.replace("{driver: dance.mp4}", "\n    driver: dance.mp4\n    driver: none.mp4")
    text = text.replace("steps: 9", "steps: 9, steps: few, clip: walk, stps: 1, stps: 2")
    assert told(folder, text) == [
        ("B2", 7, "key 'seed' is given twice (line 5)"),
        ("M11", 7, "settings (line 7).seed: --seed: -1 is out of range"),
        ("B2", 14, "key 'driver' is given twice (line 13)"),
        ("V1", 14, "clips.dance (line 14).driver: none.mp4: is missing"),
        ("B2", 17, "key 'steps' is given twice (line 17)"),
        ("B2", 17, "key 'clip' is given twice (line 17)"),
        ("B2", 17, "key 'stps' is given twice (line 17)"),
        ("B2", 17, "overrides.0.stps: is no setting"),
        ("B2", 17, "steps: should be a valid integer, not 'few'"),
        ("B2", 17, "stps: is no setting"),
    ]


def test_what_cannot_be_read_hides_nothing_else(folder):
    text = GOOD.replace("version: 7", "version: &v 7").replace("seed: 3", "seed: *v, steps: -1")
    text = text.replace("a knight", "a\x01knight").replace("seed: 4", "seed: *v, beta: 9")
    text = text.replace("seed: 5", "seed: !!int x").replace("steps: 9", 'prompt: "\\ud800"')
    assert told(folder, text) == [
        ("B2", 4, "aliases (*name) are not allowed"),
        ("M11", 4, "settings.steps: --steps: -1 is out of range"),
        ("B2", 6, "is not YAML: it holds the character U+0001"),
        ("B2", 7, "aliases (*name) are not allowed"),
        ("M11", 7, "characters.girl.beta: --beta: 9.0 is out of range"),
        ("B2", 10, "tag 'tag:yaml.org,2002:int' is not allowed"),
        ("B2", 12, "holds half of a character (a surrogate)"),
    ]


def test_a_file_in_another_encoding_is_read_as_far_as_it_can_be(folder):
    text = GOOD.replace("a knight", "K\xf6nig").replace("seed: 4", "seed: -4").encode("latin-1")
    assert [(code, line) for code, line, _ in told(folder, text)] == [("B2", 6), ("M11", 7)]
    bad = {"name": "b", "output": "b.mp4", "seed": -1}
    rows = [
        json.dumps({**LINE, "prompt": "K\xf6nig"}, ensure_ascii=False),
        json.dumps({**LINE, **bad}),
    ]
    found = told(folder, "\n".join(rows).encode("latin-1"), "batch.jsonl")
    assert [(code, line) for code, line, _ in found] == [("B2", 1), ("M11", 2)]


def test_what_is_no_text_at_all_is_told_once_for_a_line(folder):
    assert len(told(folder, "a: " + "\x00" * 100_000)) < 5


@pytest.mark.parametrize("name", ['""', '"\\0"', "&a "])
def test_a_clip_without_a_proper_name_is_refused_all_the_same(folder, name):
    found = told(folder, GOOD.replace("dance: {", f"{name}: {{"))
    assert {code for code, _, _ in found} == {"B1"}
