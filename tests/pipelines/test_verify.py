"""`dtvideo verify` of several side-cars: each is looked at, whatever is wrong with the others."""

import json

import pytest

import cli
from dtvideo.errors import MediaError
from pipelines.sidecar import SCHEMA, SCHEMA_VERSION, fingerprint
from pipelines.verify import find_faults


@pytest.fixture
def result(tmp_path):
    """Write a result of one file by its name, and return its side-car."""

    def write(name, **changes):
        file = tmp_path / f"{name}.mp4"
        file.write_bytes(name.encode())
        told = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "status": "done"}
        told["outputs"] = [{"path": file.name, **fingerprint(file)}]
        sidecar = tmp_path / f"{name}.json"
        sidecar.write_text(json.dumps({**told, **changes}))
        return sidecar

    return write


def verify(capsys, *sidecars):
    code = cli.run(cli.toolbox_parser(), ["verify", *map(str, sidecars)])
    return code, capsys.readouterr().err.splitlines()


def test_every_side_car_is_checked_whatever_is_wrong_with_the_first(result, tmp_path, capsys):
    spoilt = tmp_path / "spoilt.json"
    spoilt.write_text("{")
    changed = result("changed")
    changed.with_suffix(".mp4").write_bytes(b"x")
    code, told = verify(capsys, spoilt, tmp_path / "away.json", changed, result("whole"))
    assert code == 3
    assert [line.split(": ")[:2] for line in told[:3]] == [
        ["error[F9]", str(spoilt)],
        ["error[V1]", str(tmp_path / "away.json")],
        ["error[F9]", str(changed)],
    ]
    assert "changed.mp4 has changed since it was made" in told[2]
    assert told[3:] == ["1 of 4 results is as it was made"]


def test_several_whole_results_are_counted_by_their_files(result, capsys):
    assert verify(capsys, result("one"), result("two")) == (0, ["2 files are as they were made"])


@pytest.mark.parametrize(
    "outputs",
    [
        {"x": 1},
        ["x.mp4"],
        [{"path": "x.mp4"}],
        [{"path": 3, "bytes": 1, "sha256": ""}],
        [{"path": "x\0.mp4", "bytes": 1, "sha256": ""}],
    ],
)
def test_f9_a_side_car_whose_files_cannot_be_read_is_told_in_one_line(result, capsys, outputs):
    sidecar = result("a", outputs=outputs)
    code, told = verify(capsys, sidecar, result("b"))
    assert (code, len(told)) == (3, 2)
    assert told[0].startswith(f"error[F9]: {sidecar}: names its files in no known way")
    with pytest.raises(MediaError, match="names its files"):
        find_faults(sidecar)


def test_f9_a_side_car_nested_beyond_reason_is_no_bug(tmp_path, capsys):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    code, told = verify(capsys, path)
    assert (code, len(told)) == (3, 1)
    assert "is not JSON" in told[0]


@pytest.mark.parametrize("name", ["hero.png", "hero.mp4"])
def test_a_result_in_place_of_its_side_car_is_told(tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"\x89PNG")
    line = f"error[F9]: {tmp_path}/{name}: is not a side-car · give the .json beside a result"
    assert verify(capsys, tmp_path / name) == (3, [line])
