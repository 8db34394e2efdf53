import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from dtvideo.errors import MediaError
from dtvideo.video.container import open_container, video_track
from tests.media import clicks, write_audio_file, write_cover

MakeVideo = Callable[..., Path]


def refusal(path: Path) -> MediaError:
    with pytest.raises(MediaError) as caught, open_container(path) as container:
        video_track(container, path)
    assert caught.value.exit_code == 3
    assert caught.value.subject == str(path)
    return caught.value


def test_v1_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.mp4").code == "V1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"just words\n" * 50, "looks like text"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "looks like a web page"),
        (b"PK\x03\x04" + bytes(100), "looks like a zip archive"),
        (bytes(range(128, 256)) * 20, "of no known video format"),
    ],
)
def test_v2_what_is_not_media_is_said_to_be_what_it_looks_like(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "dance.mp4"
    path.write_bytes(content)
    error = refusal(path)
    assert error.code == "V2"
    assert words in str(error)


def test_v2_still_picture_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "dance.mp4"
    Image.new("RGB", (64, 64)).save(path, format="PNG")
    assert "looks like a PNG picture" in str(refusal(path))


def test_v3_recording_cut_off_before_its_index(make_video: MakeVideo) -> None:
    path = make_video(frames=30)
    path.write_bytes(path.read_bytes()[:-2000])
    error = refusal(path)
    assert error.code == "V3"
    assert "index is missing" in str(error)


def test_v6_sound_alone(tmp_path: Path) -> None:
    path = write_audio_file(tmp_path / "song.m4a", clicks(0.5, [0.1]), "aac")
    error = refusal(path)
    assert error.code == "V6"
    assert "sound only" in str(error)


def test_v6_cover_art_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mka"
    write_cover(path)
    assert refusal(path).code == "V6"


@pytest.mark.parametrize(
    "text", ["http://example.org/a.mp4", "concat:a.mp4|b.mp4", "subfile:,,start,0,end,9,,:a.mp4"]
)
def test_v17_addresses_are_refused(text: str) -> None:
    with pytest.raises(MediaError, match="is an address") as caught, open_container(Path(text)):
        pass
    assert caught.value.code == "V17"


def test_v17_playlists_are_refused_even_under_another_name(make_video: MakeVideo) -> None:
    clip = make_video()
    lines = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        "list.mp4": f"ffconcat version 1.0\nfile {clip}\n",
    }
    for name, text in lines.items():
        playlist = clip.parent / name
        playlist.write_text(text)
        error = refusal(playlist)
        assert error.code == "V17"
        assert "playlist" in str(error)


@pytest.mark.parametrize("name", ["a b'\"c.mp4", "-rf.mp4", "🕺.mp4", "new\nline.mp4", "a:b.mp4"])
def test_v18_odd_names_work(name: str, make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video().rename(tmp_path / name)
    with open_container(path) as container:
        assert video_track(container, path).codec_context.name == "h264"


def test_v18_a_file_that_is_named_like_an_address_works(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make_video().rename(tmp_path / "concat:a.mp4")
    with open_container(Path(path.name)) as container:
        assert video_track(container, path).codec_context.name == "h264"


def test_v18_name_that_is_not_utf8_works(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video().rename(tmp_path / os.fsdecode(b"\xff\xfe.mp4"))
    with open_container(path) as container:
        assert video_track(container, path).type == "video"


def test_v18_newline_in_a_name_is_escaped_in_the_message(tmp_path: Path) -> None:
    assert "\n" not in str(refusal(tmp_path / "new\nline.mp4"))
