import json

import pytest

from cli import run, toolbox_parser


def evaluate(*words) -> int:
    return run(toolbox_parser(), ["evaluate", *map(str, words)])


def test_settings_with_several_values_give_a_row_each(tiny_model, tmp_path, capsys):
    words = ("toon", "--model", tiny_model, "--clips", 1, "--frames", 2, "--no-baselines")
    folder = tmp_path / "out"
    assert evaluate(*words, "--steps", "1,2", "--guidance", "none", "-o", folder) == 0
    rows = json.loads((folder / "results.json").read_text())["rows"]
    wanted = [f"{tiny_model}, steps 1", f"{tiny_model}, steps 2"]
    assert list(dict.fromkeys(row["method"] for row in rows)) == wanted
    assert "pose_ratio" in {row["measure"] for row in rows}
    assert "steps 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("toon", "--steps", "1,x"), r"error[U1]: --steps: cannot be '1,x'"),
        (("toon", "--ablations", "--steps", "1,4"), "error[U1]: --ablations: with several"),
        (("toon", "--clips", "0"), "error[M11]: clips: is 0"),
        (("keypoints", "--clips", "0"), "error[M11]: clips: is 0"),
    ],
)
def test_words_that_do_not_fit_are_one_line(words, said, capsys):
    assert evaluate(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith(said)


def test_key_points_are_measured_by_view(capsys):
    assert evaluate("keypoints", "--clips", 1, "--progress", "none") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("empty ground")
