"""`dtvideo evaluate folders` on folders as renders leave them, and on those that differ."""

import json
import shutil

import numpy as np
import pytest

import cli
from dtvideo.errors import MediaError
from dtvideo.images import save_png
from pipelines.evaluate_folders import evaluate_folders


def save(folder, *names, size=16):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        save_png(folder / f"{name}.png", np.full((size, size, 3), 100, np.uint8))


@pytest.fixture
def folders(tmp_path):
    for name in ("pred", "gt"):
        save(tmp_path / name, "0000", "0001")
    return tmp_path / "pred", tmp_path / "gt"


def notices(*folders):
    return evaluate_folders(*folders).about["notices"]


def test_sheets_that_renders_leave_beside_frames_are_no_frames(folders):
    for folder in folders:
        save(folder, "hero_dance.sheet", "hero_dance.people", "hero_dance.ref-people", size=48)
    report = evaluate_folders(*folders)
    assert [len(score.frames) for score in report.scores] == [2]
    assert report.about["notices"] == []


def test_a_folder_of_nothing_but_sheets_holds_no_pictures(folders, tmp_path):
    save(tmp_path / "sheets", "a.sheet")
    with pytest.raises(MediaError, match=r"V15.*holds no pictures"):
        evaluate_folders(folders[0], tmp_path / "sheets")


def test_predictions_without_truth_are_told_with_their_number_and_the_first(folders):
    predictions, _ = folders
    save(predictions, "0002", "0003")
    assert notices(*folders) == [
        f"left out 2 pictures of {predictions} without a true picture, first 0002.png"
    ]


def test_clips_without_truth_are_told_as_well_as_pictures_beside_clips(tmp_path):
    predictions, truths = tmp_path / "pred", tmp_path / "gt"
    for name in ("a", "b", "c"):
        save(predictions / name, "0000")
    for folder in (truths / "a", truths, predictions):
        save(folder, "0000")
    assert notices(predictions, truths) == [
        f"left out 1 picture of {truths} beside folders of clips, first 0000.png",
        f"left out 2 clips of {predictions} without a true clip, first b",
        f"left out 1 picture of {predictions} beside folders of clips, first 0000.png",
    ]


def test_what_is_hidden_is_neither_a_clip_nor_a_picture(folders):
    for folder in folders:
        save(folder / ".thumbnails", "0000")
        (folder / "._0000.png").write_bytes(b"x")
    report = evaluate_folders(*folders)
    assert [score.clip for score in report.scores] == ["."]
    assert report.about["notices"] == []


def test_predictions_that_are_no_folder_are_named(folders, tmp_path):
    with pytest.raises(MediaError, match=r"V1.*nowhere: is not a folder"):
        evaluate_folders(tmp_path / "nowhere", folders[1])


def test_where_no_name_is_shared_nothing_is_measured(folders, tmp_path):
    save(tmp_path / "others", "a", "b", "c")
    with pytest.raises(MediaError, match=r"V15.*lacks 2 of 2 pictures, first 0000"):
        evaluate_folders(tmp_path / "others", folders[1])


def test_what_is_left_out_is_told_on_standard_error_and_in_the_file(folders, tmp_path, capsys):
    save(folders[0], "0002")
    words = ["evaluate", "folders", *map(str, folders), "-o", str(tmp_path / "out.json")]
    assert cli.run(cli.toolbox_parser(), words) == 0
    streams = capsys.readouterr()
    line = f"left out 1 picture of {folders[0]} without a true picture, first 0002.png"
    assert streams.err == f"note: {line}\n"
    assert "left out" not in streams.out
    assert json.loads((tmp_path / "out.json").read_text())["about"]["notices"] == [line]


def test_predictions_of_another_size_are_told(folders, tmp_path):
    predictions, _ = folders
    save(predictions, "0001", size=24)
    assert notices(*folders) == [
        f"resized 1 picture of {predictions} to the size of the truth, first 0001.png"
    ]
    save(predictions, "0000", size=24)
    save(tmp_path / "masks", "0000", "0001", size=32)
    report = evaluate_folders(*folders, masks=tmp_path / "masks")
    assert report.about["notices"] == [
        f"resized 2 pictures of {predictions} to the size of the truth, first 0000.png",
        f"resized 2 pictures of {tmp_path / 'masks'} to the size of the truth, first 0000.png",
    ]


def test_two_pictures_of_one_name_are_refused(folders):
    predictions, truths = folders
    shutil.copy(predictions / "0001.png", predictions / "0001.jpg")
    with pytest.raises(MediaError, match=r"V15.*holds 0001.jpg and 0001.png.*keep one of them"):
        evaluate_folders(*folders)
    (predictions / "0001.jpg").rename(truths / "0001.jpg")
    with pytest.raises(MediaError, match=r"V15.*gt.*holds 0001.jpg and 0001.png"):
        evaluate_folders(*folders)
