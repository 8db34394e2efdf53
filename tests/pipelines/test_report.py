import math

import pytest

from pipelines.report import ClipScores, Report


def report() -> Report:
    near, far = ("near", "all"), ("far", "all")
    first = ClipScores("copy", "a", (near, near), ({"psnr": 10.0}, {"psnr": 20.0}), {"dtssd": 4.0})
    second = ClipScores("copy", "b", (near, far), ({"psnr": 30.0}, {"psnr": 50.0}), {"dtssd": 6.0})
    return Report((first, second), views=("near", "far", "all"), about={"why": "test"})


def test_means_are_taken_over_clips_of_the_means_over_their_frames() -> None:
    assert report().interval("psnr", method="copy", view="near").mean == pytest.approx(22.5)
    assert report().interval("psnr", method="copy", view="all").mean == pytest.approx(27.5)
    assert report().interval("psnr", method="copy", view="far").count == 1


def test_temporal_measures_count_where_all_frames_of_a_clip_do() -> None:
    assert report().interval("dtssd", method="copy", view="near").mean == 4
    assert report().interval("dtssd", method="copy", view="far").count == 0
    assert report().interval("dtssd", method="copy", view="all").mean == 5


def test_the_table_has_a_line_per_view_and_method() -> None:
    lines = report().table().splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:3] == ["view", "method", "clips"]
    assert lines[2].split()[:4] == ["far", "copy", "1", "50.00"]


def test_plain_data_can_be_written_as_json_even_without_end() -> None:
    scores = ClipScores("copy", "a", (("all",),), ({"psnr": math.inf},), {})
    plain = Report((scores,), views=("all",), about={}).as_plain()
    assert plain["rows"][0]["mean"] == "inf"
    assert plain["clips"][0]["frames"] == [{"psnr": "inf"}]


def test_a_ratio_is_that_of_the_means_not_the_mean_of_ratios() -> None:
    scores = [
        ClipScores("m", name, (("all",),), ({"pose_pck": found, "true_pose_pck": true},), {})
        for name, found, true in (("a", 0.0, 0.0), ("b", 0.5, 1.0), ("c", 0.1, 0.5))
    ]
    report = Report(tuple(scores), views=("all",), about={})
    assert report.interval("pose_ratio", method="m", view="all").mean == pytest.approx(0.4)
    assert "pose_ratio" in report.measures


def test_a_gain_is_taken_clip_by_clip() -> None:
    """Clips differ by 30 dB, the methods by 1 dB on each: the interval is as narrow as that."""
    scores = [
        ClipScores(method, name, (("all",),), ({"foreground_psnr": base + more},), {})
        for method, more in (("full", 0.0), ("less", -1.0))
        for name, base in (("a", 10.0), ("b", 40.0))
    ]
    report = Report(tuple(scores), views=("all",), about={})
    gain = report.gain("foreground_psnr", method="less", base="full", view="all")
    assert (gain.mean, gain.low, gain.high) == (-1, -1, -1)
    lines = report.gain_table("full").splitlines()
    assert "against full" in lines[0]
    assert lines[2].endswith("-1.00 [-1.00, -1.00]")
