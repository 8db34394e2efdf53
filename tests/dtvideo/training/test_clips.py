import multiprocessing
import struct
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from dtvideo.errors import MediaError
from dtvideo.training.clips import ClipReaders
from dtvideo.video import read_frames
from tests.media import number_of

pytest.importorskip("decord")
MakeVideo = Callable[..., Path]


def test_scattered_frames_come_in_the_order_asked_and_equal_those_of_pyav(
    make_video: MakeVideo,
) -> None:
    path = make_video(frames=30)
    every = list(read_frames(path))
    with closing(ClipReaders()) as readers:
        assert readers.info(path).decoded_frames == 30
        for indices in ([0, 29, 7, 7, 3], [15]):
            frames = readers.read(path, indices)
            assert [number_of(frame) for frame in frames] == indices
            expected = np.stack([every[index] for index in indices]).astype(int)
            assert np.abs(frames - expected).max() <= 3
        with pytest.raises(MediaError, match=r"has no frame 30.*0 to 29"):
            readers.read(path, [30])
    assert multiprocessing.active_children() == []


def test_decoder_that_does_not_answer_is_killed_at_the_deadline(make_video: MakeVideo) -> None:
    path = make_video(frames=30)
    with closing(ClipReaders(deadline_seconds=1e-6)) as readers:
        readers.open(path)
        begun = time.monotonic()
        with pytest.raises(MediaError, match="no frames within 1e-06 seconds") as caught:
            readers.read(path, list(range(30)) * 20)
    assert caught.value.code == "V5"
    assert time.monotonic() - begun < 3
    assert multiprocessing.active_children() == []


def test_file_whose_header_lies_is_refused_or_read_by_its_true_count(
    make_video: MakeVideo,
) -> None:
    path = make_video("a.avi", 12, codec="mpeg4")
    content = bytearray(path.read_bytes())
    for name, place in ((b"avih", 24), (b"strh", 40)):
        struct.pack_into("<I", content, content.index(name) + place, 5000)
    path.write_bytes(content)
    try:
        with closing(ClipReaders()) as readers:
            readers.open(path)
            assert readers.info(path).decoded_frames == 12
    except MediaError as error:
        assert "holds 12 frames" in str(error)  # noqa: PT017


def test_turned_clip_is_refused(make_video: MakeVideo) -> None:
    with pytest.raises(MediaError, match="turned by 90 degrees") as caught:
        ClipReaders().info(make_video(rotation=90))
    assert caught.value.code == "V9"


def test_what_is_no_video_is_refused_before_a_child_starts(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("words")
    with pytest.raises(MediaError, match="looks like text"):
        ClipReaders().open(path)


def test_clips_that_were_read_longest_ago_are_closed_and_opened_again(
    make_video: MakeVideo,
) -> None:
    paths = [make_video(f"{name}.mp4", 6 + name) for name in range(3)]
    with closing(ClipReaders(most_open=2)) as readers:
        for name in (0, 1, 2, 0, 2, 1, 1):
            last = readers.info(paths[name]).decoded_frames - 1
            (frame,) = readers.read(paths[name], [last])
            assert number_of(frame) == last == 5 + name
    assert multiprocessing.active_children() == []


def test_v5_a_clip_that_goes_after_it_was_looked_at_is_told_and_the_others_can_be_read(
    make_video: MakeVideo,
) -> None:
    gone, there = make_video("gone.mp4", 6), make_video("there.mp4", 6)
    with closing(ClipReaders()) as readers:
        readers.info(gone)
        gone.unlink()
        with pytest.raises(MediaError, match=r"V5.*gone\.mp4.*cannot be decoded"):
            readers.read(gone, [0])
        assert number_of(readers.read(there, [3])[0]) == 3
    assert multiprocessing.active_children() == []
