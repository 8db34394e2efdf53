import multiprocessing
import shutil
import sys
import tarfile
from contextlib import closing

import numpy as np
import pytest

from dtvideo.errors import MediaError
from dtvideo.images import load_image, save_png
from dtvideo.segmentation import find_mask
from dtvideo.training import clips as clip_module
from dtvideo.training import pictures as picture_module
from dtvideo.training.clips import ClipReaders
from dtvideo.training.pictures import FRAMES, PictureSet
from dtvideo.video import read_frames
from tests.training_pictures import SQUARES, write_samples, write_shard


def by_caption(pictures, count=2):
    found = [pictures.portrait(0, number, size=16) for number in range(count)]
    return {each.caption: each for each in found}


def test_a_sample_has_its_picture_words_depth_and_subject_on_white(tmp_path):
    pictures = PictureSet(write_samples(tmp_path), needs_layout=True)
    assert len(pictures) == 2
    found = by_caption(pictures)
    for name, colour in SQUARES.items():
        each = found[f"a {name} square"]
        assert (each.image[8, 8] == colour).all()
        assert (each.image[0, 0] == 128).all()
        assert (each.subject[8, 8] == colour).all()
        assert (each.subject[0, 0] == 255).all()
        assert (each.layout[8, 8] == 255).all()
        assert (each.layout[0, 0] == 0).all()
        assert (each.mask[8, 8], each.mask[0, 0]) == (1, 0)


def test_a_shard_holds_what_its_folder_held(tmp_path):
    folder = write_samples(tmp_path / "plain")
    shards = tmp_path / "shards"
    shards.mkdir()
    write_shard(folder, shards / "000.tar")
    one, other = (PictureSet(path, needs_layout=True) for path in (folder, shards))
    assert len(one) == len(other) == 2
    for number in range(4):
        first, second = (each.portrait(3, number, size=16) for each in (one, other))
        assert first.caption == second.caption
        for part in ("image", "subject", "layout", "mask"):
            assert np.array_equal(getattr(first, part), getattr(second, part))


def test_every_run_through_all_shows_each_picture_once_in_an_order_of_its_own(tmp_path):
    for number in range(6):
        save_png(tmp_path / f"{number}.png", np.full((16, 16, 3), 40 * number, np.uint8))
        save_png(tmp_path / f"{number}.mask.png", np.full((16, 16), 255, np.uint8))
        (tmp_path / f"{number}.txt").write_text(str(number))
    pictures = PictureSet(tmp_path, needs_layout=False)
    shown = [pictures.portrait(0, number, size=8).caption for number in range(12)]
    assert sorted(shown[:6]) == sorted(shown[6:]) == list("012345")
    assert shown[:6] != shown[6:]


def test_a_wide_picture_gives_its_middle_square(tmp_path):
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:32] = 200
    save_png(tmp_path / "a.png", wide)
    save_png(tmp_path / "a.mask.png", np.full((16, 48), 255, np.uint8))
    (tmp_path / "a.txt").write_text("grey")
    assert (PictureSet(tmp_path, needs_layout=False).portrait(0, 0, size=8).image == 200).all()


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"V1.*holds no pictures"):
        PictureSet(tmp_path, needs_layout=False)
    (write_samples(tmp_path) / "red.depth.png").unlink()
    with pytest.raises(MediaError, match=r"V1.*lacks red.depth.png.*depth_model.*layout = false"):
        PictureSet(tmp_path, needs_layout=True)
    PictureSet(tmp_path, needs_layout=False)
    (tmp_path / "blue.txt").unlink()
    with pytest.raises(MediaError, match=r"V1.*lacks blue.txt"):
        PictureSet(tmp_path, needs_layout=False)


def test_samples_of_one_name_in_two_shards_or_folders_of_a_shard_are_all_there(tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    for name, places in (("000", ("a", "b")), ("001", ("a",))):
        with tarfile.open(shards / f"{name}.tar", "w") as tar:
            for place in places:
                folder = write_samples(tmp_path / name / place)
                (folder / "red.txt").write_text(f"red of {name} {place}")
                for file in sorted(folder.glob("red.*")):
                    tar.add(file, arcname=f"./{place}/{file.name}")
    pictures = PictureSet(shards, needs_layout=True)
    assert len(pictures) == 3
    expected = {"red of 000 a", "red of 000 b", "red of 001 a"}
    assert by_caption(pictures, count=3).keys() == expected


def test_v1_what_a_sample_of_a_shard_lacks_is_named_with_the_shard(tmp_path):
    folder = write_samples(tmp_path / "plain")
    (folder / "red.txt").unlink()
    shard = write_shard(folder, tmp_path / "000.tar")
    with pytest.raises(MediaError, match=r"V1.*lacks 000\.tar/part/red\.txt"):
        PictureSet(shard, needs_layout=False)


def test_a_broken_shard_is_refused(tmp_path):
    (tmp_path / "0.tar").write_bytes(b"nonsense" * 200)
    with pytest.raises(MediaError, match=r"V1.*not a complete shard"):
        PictureSet(tmp_path, needs_layout=False)


def test_what_is_missing_is_asked_for_and_what_is_there_is_kept(tmp_path):
    write_samples(tmp_path)
    (tmp_path / "red.depth.png").unlink()
    (tmp_path / "red.txt").unlink()
    asked = []

    def describe(image):
        asked.append(image.shape)
        return "made up"

    pictures = PictureSet(
        tmp_path, needs_layout=True, estimate=lambda image: 255 - image, describe=describe
    )
    found = by_caption(pictures, count=4)
    assert found.keys() == {"made up", "a blue square"}
    assert (found["made up"].layout == 255 - found["made up"].image).all()
    assert (found["a blue square"].layout[8, 8] == 255).all()
    assert asked == [(16, 16, 3)]


@pytest.fixture
def searched(monkeypatch):
    """The (width, height) of each picture in which a subject is searched."""
    sizes = []

    def find(image, **options):
        sizes.append(image.size)
        return find_mask(image, **options)

    monkeypatch.setattr(picture_module, "find_mask", find)
    return sizes


def test_a_mask_is_searched_once_in_a_picture_reduced_to_the_working_size(tmp_path, searched):
    write_samples(tmp_path, side=96)
    for name in SQUARES:
        (tmp_path / f"{name}.mask.png").unlink()
    wide = np.pad(load_image(tmp_path / "red.png").rgb, ((0, 0), (48, 0), (0, 0)), mode="edge")
    save_png(tmp_path / "red.png", wide)
    pictures = PictureSet(tmp_path, needs_layout=True)
    shown = [pictures.portrait(0, number, size=32) for number in range(6)]
    assert sorted(searched) == [(32, 32), (48, 32)]
    for name in SQUARES:
        first, *later = [each for each in shown if each.caption == f"a {name} square"]
        assert len(later) == 2
        assert first.mask.shape == (32, 32)
        for each in later:
            assert np.array_equal(each.mask, first.mask)
            assert np.array_equal(each.subject, first.subject)
    pictures.portrait(0, 0, size=16)
    assert len(searched) == 3


def test_a_mask_of_a_picture_no_larger_than_wanted_is_that_of_the_picture(tmp_path, searched):
    write_samples(tmp_path, side=32)
    (tmp_path / "red.mask.png").unlink()
    pictures = PictureSet(tmp_path, needs_layout=True)
    masks = [
        each.mask
        for each in (pictures.portrait(0, number, size=32) for number in range(4))
        if each.caption == "a red square"
    ]
    expected = find_mask(load_image(tmp_path / "red.png")).mask
    assert len(masks) == 2
    assert all(np.array_equal(mask, expected) for mask in masks)
    assert searched == [(32, 32)]


def test_depth_that_is_estimated_is_estimated_once_for_a_picture(tmp_path):
    write_samples(tmp_path)
    for name in SQUARES:
        (tmp_path / f"{name}.depth.png").unlink()
    asked = []

    def estimate(image):
        asked.append(image.shape)
        return 255 - image

    pictures = PictureSet(tmp_path, needs_layout=True, estimate=estimate)
    for number in range(6):
        each = pictures.portrait(0, number, size=16)
        assert np.array_equal(each.layout, 255 - each.image)
    assert asked == [(16, 16, 3)] * 2


@pytest.fixture
def clips(make_video, tmp_path):
    """A folder with one clip of thirty numbered frames and its words."""
    pytest.importorskip("decord")
    folder = tmp_path / "clips"
    folder.mkdir()
    make_video("clip.mp4", 30).rename(folder / "walk.mp4")
    (folder / "walk.txt").write_text("a walk")
    return folder


def test_of_a_clip_one_frame_is_shown_and_another_tells_the_subject(clips):
    pictures = PictureSet(clips, needs_layout=False)
    try:
        found = [pictures.portrait(0, number, size=32) for number in range(3)]
        again = pictures.portrait(0, 1, size=32)
    finally:
        pictures.close()
    assert {each.caption for each in found} == {"a walk"}
    assert np.array_equal(again.image, found[1].image)
    assert np.array_equal(again.subject, found[1].subject)
    frames = [np.asarray(frame) for frame in read_frames(clips / "walk.mp4")]
    side = min(frames[0].shape[:2])
    assert side >= 32
    assert not all(np.array_equal(each.image, found[0].image) for each in found)
    assert any(np.abs(each.image.astype(int) - each.subject).max() > 0 for each in found)
    assert multiprocessing.active_children() == []


def test_many_clips_are_read_by_one_process_and_looked_through_once_each(clips, monkeypatch):
    """The frames are those that the seed and the number choose."""
    for number in range(5):
        shutil.copy(clips / "walk.mp4", clips / f"walk{number}.mp4")
        (clips / f"walk{number}.txt").write_text(f"walk {number}")
    probed, readers = [], set()
    probe = clip_module.probe
    monkeypatch.setattr(clip_module, "probe", lambda path: probed.append(path) or probe(path))
    pictures = PictureSet(clips, needs_layout=False)
    try:
        shown = []
        for number in range(12):
            shown.append(pictures.portrait(5, number, size=32))
            readers |= {child.pid for child in multiprocessing.active_children()}
    finally:
        pictures.close()
    assert multiprocessing.active_children() == []
    assert len(readers) == 1
    assert len(probed) == len(set(probed)) == 6
    for epoch in (shown[:6], shown[6:]):
        assert len({each.caption for each in epoch}) == 6
    with closing(ClipReaders()) as readers:
        for number, each in enumerate(shown):
            pair = np.random.default_rng((5, number, FRAMES)).choice(30, 2, replace=False)
            first, _ = readers.read(clips / "walk.mp4", [int(frame) for frame in pair])
            assert np.array_equal(each.image, picture_module._square(first, 32))


def test_v1_a_clip_with_the_depth_of_one_frame_is_refused(clips):
    save_png(clips / "walk.depth.png", np.zeros((16, 16), np.uint8))
    with pytest.raises(MediaError, match=r"V1.*walk is a clip with depth or mask of one frame"):
        PictureSet(clips, needs_layout=True)


def test_v1_a_clip_in_a_shard_is_refused(clips, tmp_path):
    shard = write_shard(clips, tmp_path / "000.tar")
    with pytest.raises(MediaError, match=r"V1.*walk is a clip in a shard.*unpack"):
        PictureSet(shard, needs_layout=False)


def test_v1_a_clip_needs_an_estimator_for_its_layout(clips):
    with pytest.raises(MediaError, match=r"V1.*lacks walk.depth.png.*depth_model"):
        PictureSet(clips, needs_layout=True)


def test_v1_a_clip_without_decord_says_what_to_install(clips, monkeypatch):
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(MediaError, match=r"V1.*decord is not installed.*dtvideo\[train\]"):
        PictureSet(clips, needs_layout=False)
