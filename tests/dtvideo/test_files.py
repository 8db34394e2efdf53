import errno
import json
import os
from pathlib import Path

import pytest

from dtvideo.errors import MediaError, OutputError, ResourceError
from dtvideo.files import (
    atomic_path,
    check_input,
    check_output,
    explained_write,
    sha256_file,
    write_json,
)


def test_output_appears_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "new" / "shot.0001.png"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"whole")
        assert not target.exists()
        assert temporary.parent == target.parent
    assert target.read_bytes() == b"whole"
    assert os.listdir(target.parent) == ["shot.0001.png"]


def test_exception_leaves_old_output_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        stop_after_writing(temporary)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.json"]


def stop_after_writing(path: Path) -> None:
    path.write_text("half")
    raise KeyboardInterrupt


def test_temporary_name_matches_no_frame_pattern_and_fits_beside_a_long_name(
    tmp_path: Path,
) -> None:
    target = tmp_path / ("ü" * 125 + ".png")
    with atomic_path(target) as temporary:
        assert temporary.name.startswith(".dtvideo-")
        assert temporary.suffix == ".partial"
        temporary.write_bytes(b"x")
    assert target.exists()


def test_published_file_has_ordinary_permissions(tmp_path: Path) -> None:
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.write_text("")
    with atomic_path(ours):
        pass
    assert ours.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "full"), (errno.EROFS, "read-only")])
def test_f3_full_and_read_only_disks_are_explained(number: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=words) as caught, atomic_path(tmp_path / "x.mp4"):
        raise OSError(number, os.strerror(number))
    assert (caught.value.code, caught.value.exit_code) == ("F3", 7)
    assert os.listdir(tmp_path) == []


def test_other_faults_of_the_system_are_not_disguised() -> None:
    with pytest.raises(FileNotFoundError), explained_write(Path("x")):
        raise FileNotFoundError(errno.ENOENT, "gone")


def test_name_that_is_too_long_is_explained(tmp_path: Path) -> None:
    with (
        pytest.raises(ResourceError, match="name is too long"),
        atomic_path(tmp_path / ("n" * 300)),
    ):
        pass


def test_json_round_trips_and_refuses_what_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"name": "Zoë", "rate": "30000/1001"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Zoë", "rate": "30000/1001"}
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"loss": float("nan")})
    assert "Zoë" in path.read_text(encoding="utf-8")


def test_f11_json_names_a_file_whose_name_is_no_utf8(tmp_path: Path) -> None:
    path, name = tmp_path / "a.json", os.fsdecode(b"caf\xe9.mp4")
    write_json(path, {"path": name})
    assert json.loads(path.read_text(encoding="utf-8")) == {"path": name}


@pytest.mark.parametrize("is_link", [False, True])
def test_f3_a_file_or_a_broken_link_in_the_place_of_a_folder_is_explained(
    is_link: bool, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    if is_link:
        place.symlink_to(tmp_path / "nowhere")
    else:
        place.write_text("precious")
    with pytest.raises(ResourceError, match="not a folder") as caught:
        write_json(place / "x.json", {})
    assert caught.value.code == "F3"
    assert sorted(os.listdir(tmp_path)) == ["place"]


def test_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_file(path).startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("is_link", [False, True])
def test_f7_existing_output_is_refused_unless_overwritten(is_link: bool, tmp_path: Path) -> None:
    """A link that leads nowhere is there too: what is written would go where it leads."""
    path = tmp_path / "out.mp4"
    check_output(path)
    if is_link:
        path.symlink_to(tmp_path / "nowhere.mp4")
    else:
        path.write_text("")
    with pytest.raises(OutputError, match=r"out\.mp4: exists already.*--overwrite") as caught:
        check_output(path)
    assert (caught.value.code, caught.value.exit_code) == ("F7", 8)
    check_output(path, overwrite=True)


@pytest.mark.parametrize("link", ["same", "hard", "symbolic"])
def test_f7_input_is_never_overwritten(link: str, tmp_path: Path) -> None:
    source, output = tmp_path / "dance.mp4", tmp_path / "out.mp4"
    source.write_text("")
    if link == "hard":
        output.hardlink_to(source)
    elif link == "symbolic":
        output.symlink_to(source)
    else:
        output = tmp_path / "sub" / ".." / "dance.mp4"
    with pytest.raises(OutputError, match=r"is the input .*dance\.mp4"):
        check_output(output, overwrite=True, inputs=[source])


def test_f7_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path, overwrite=True)


def test_v1_what_is_not_a_readable_file_is_named(tmp_path: Path) -> None:
    dangling, pipe = tmp_path / "link.mp4", tmp_path / "pipe.mp4"
    dangling.symlink_to(tmp_path / "nowhere.mp4")
    os.mkfifo(pipe)
    cases = {
        tmp_path / "no.mp4": "no such file",
        tmp_path: "a folder",
        dangling: r"nowhere\.mp4, which is missing",
        pipe: "a pipe",
        Path("/dev/null"): "a device",
        tmp_path / "a\0b": "null",
    }
    for path, words in cases.items():
        with pytest.raises(MediaError, match=words) as caught:
            check_input(path)
        assert (caught.value.code, caught.value.exit_code) == ("V1", 3)
