import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dtvideo.errors import MediaError, UsageError
from dtvideo.images import load_image, save_png
from dtvideo.toon.trials import Trial
from pipelines.animate import AnimationPipeline
from pipelines.evaluate import (
    AUTOENCODER,
    BASELINES,
    ToonEvaluation,
    autoencoder_method,
    evaluate_toon,
    pipeline_method,
)
from pipelines.evaluate_folders import evaluate_folders
from pipelines.judges import Judges
from poses.types import Pose
from tests.tiny_models import tiny_components

SMALL = ToonEvaluation(clips=2, frames=2, size=64)


def perfect(trial: Trial) -> Iterator[np.ndarray]:
    return (truth.image for truth in trial.truths)


def save(folder: Path, *values: int, size: int = 16) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, value in enumerate(values):
        save_png(folder / f"{index:04d}.png", np.full((size, size, 3), value, np.uint8))


def test_the_truth_itself_is_perfect_and_copying_is_worse_than_the_coarse_frame() -> None:
    report = evaluate_toon({"perfect": perfect, **BASELINES}, SMALL)
    found = {
        name: report.interval("foreground_psnr", method=name, view="all").mean
        for name in report.methods
    }
    assert found["perfect"] == float("inf")
    assert found["coarse"] > found["copy"]
    assert report.interval("dtssd", method="perfect", view="all").mean == 0


def test_two_runs_give_the_same_numbers() -> None:
    first, second = (evaluate_toon({"copy": BASELINES["copy"]}, SMALL) for _ in range(2))
    assert first.as_plain() == second.as_plain()


def test_pictures_lie_where_scripts_of_others_look_for_them(tmp_path: Path) -> None:
    report = evaluate_toon({"coarse": BASELINES["coarse"]}, SMALL, output=tmp_path)
    names = sorted(path.name for path in (tmp_path / "gt").iterdir())
    assert len(names) == 2
    for name in names:
        for side in ("gt", "pred/coarse"):
            files = sorted(path.name for path in (tmp_path / side / name).iterdir())
            assert files == ["0000.png", "0001.png"]
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["about"]["settings"]["clips"] == 2
    assert sum(written["about"]["pose_distances"]["counts"]) <= 4
    again = evaluate_folders(tmp_path / "pred" / "coarse", tmp_path / "gt")
    assert again.interval("psnr", method="prediction", view="all").mean == pytest.approx(
        report.interval("psnr", method="coarse", view="all").mean
    )


def test_a_pipeline_renders_every_pose_of_every_trial() -> None:
    pipeline = AnimationPipeline(**tiny_components(coarse=True))
    settings = replace(pipeline.default_settings, steps=2)
    methods = {"model": pipeline_method(pipeline, settings=settings)}
    report = evaluate_toon(methods, replace(SMALL, clips=1))
    assert report.interval("psnr", method="model", view="all").count == 1


def test_enlarged_frames_are_measured_against_truths_as_large(tmp_path: Path) -> None:
    pipeline = AnimationPipeline(**tiny_components(coarse=True))
    settings = replace(pipeline.default_settings, steps=1)
    methods = {"model": pipeline_method(pipeline, upscale=2, settings=settings)}
    evaluate_toon(methods, ToonEvaluation(clips=1, frames=2, size=32, upscale=2), output=tmp_path)
    pictures = [load_image(path).rgb for path in tmp_path.glob("*/**/*.png")]
    assert [picture.shape for picture in pictures] == [(64, 64, 3)] * 4


def test_a_method_that_gives_too_much_is_stopped() -> None:
    def endless(trial: Trial) -> Iterator[np.ndarray]:
        while True:
            yield trial.reference.image

    with pytest.raises(MediaError, match=r"V15.*gave more than 2 frames for 2 poses"):
        evaluate_toon({"endless": endless}, SMALL)


def test_another_body_adds_rows_for_what_looks_at_poses() -> None:
    methods = {"copy": BASELINES["copy"], "coarse": BASELINES["coarse"], "perfect": perfect}
    report = evaluate_toon(methods, replace(SMALL, other_body=True))
    assert report.methods == [
        "copy", "coarse", "perfect", "coarse, other body", "perfect, other body",
    ]  # fmt: skip
    own, other, ceiling = (
        report.interval("foreground_psnr", method=name, view="all").mean
        for name in ("coarse", "coarse, other body", "perfect, other body")
    )
    assert own != other
    assert ceiling == float("inf")


def test_an_exact_autoencoder_gives_the_truth() -> None:
    from dtvideo.toon.patches import PatchAutoencoder

    pipeline = AnimationPipeline(**{**tiny_components(), "vae": PatchAutoencoder(patch_size=2)})
    report = evaluate_toon({AUTOENCODER: autoencoder_method(pipeline)}, replace(SMALL, clips=1))
    assert report.interval("psnr", method=AUTOENCODER, view="all").mean > 50


class Knowing:
    """Finds the pose that belongs to a picture it was told of, and nobody in others."""

    name, licence, device = "knowing", "Apache-2.0", "cpu"

    def __init__(self, known: list[tuple[np.ndarray, Pose]]) -> None:
        self.known = known

    def detect(self, image: np.ndarray) -> list[Pose]:
        return [pose for picture, pose in self.known if np.array_equal(picture, image)][:1]


def test_the_pose_of_a_result_is_told_beside_that_of_the_truth() -> None:
    """Found in one of two true frames of each clip: a perfect method reaches all of that."""
    known = [(trials[""].truths[0].image, trials[""].truths[0].pose) for trials in SMALL.trials()]
    judges = Judges(Knowing(known))
    report = evaluate_toon({"perfect": perfect, "copy": BASELINES["copy"]}, SMALL, judges=judges)
    found = {
        (name, measure): report.interval(measure, method=name, view="all").mean
        for name in report.methods
        for measure in ("pose_pck", "true_pose_pck", "pose_ratio")
    }
    assert found["perfect", "pose_pck"] == found["copy", "true_pose_pck"] == 0.5
    assert found["perfect", "pose_ratio"] == 1
    assert found["copy", "pose_ratio"] == 0


def test_progress_tells_how_many_clips_are_done() -> None:
    told: list[tuple[str, int, int]] = []
    evaluate_toon({"copy": BASELINES["copy"]}, SMALL, progress=lambda *step: told.append(step))
    assert told == [("evaluate", 1, 2), ("evaluate", 2, 2)]


def test_a_method_that_loses_a_frame_is_named() -> None:
    with pytest.raises(MediaError, match=r"V15.*short, clip 0000-\d+: gave 1 frames for 2 poses"):
        evaluate_toon({"short": lambda trial: [trial.reference.image]}, SMALL)


@pytest.mark.parametrize("change", [{"clips": 0}, {"frames": 1}, {"size": 8}, {"seed": -1}])
def test_settings_that_cannot_be_are_refused_with_the_value(change: dict[str, int]) -> None:
    (name, value), *_ = change.items()
    with pytest.raises(UsageError, match=rf"M11.*{name}: is {value}"):
        ToonEvaluation(**change)


def test_a_known_difference_between_two_folders(tmp_path: Path) -> None:
    save(tmp_path / "pred", 110, 130)
    save(tmp_path / "gt", 100, 120)
    report = evaluate_folders(tmp_path / "pred", tmp_path / "gt", output=tmp_path / "out.json")
    interval = report.interval("psnr", method="prediction", view="all")
    assert interval.mean == pytest.approx(20 * np.log10(25.5))
    assert "foreground_psnr" not in report.measures
    assert json.loads((tmp_path / "out.json").read_text())["rows"]


def test_masks_add_the_measures_of_the_foreground(tmp_path: Path) -> None:
    save(tmp_path / "pred", 110, 130)
    save(tmp_path / "gt", 100, 140)
    save(tmp_path / "masks", 255, 255)
    report = evaluate_folders(tmp_path / "pred", tmp_path / "gt", masks=tmp_path / "masks")
    ratio = report.interval("flicker_ratio", method="prediction", view="all").mean
    assert ratio == pytest.approx(0.5)
    assert "foreground_psnr" in report.measures


def test_a_prediction_of_another_size_is_resized_to_its_truth(tmp_path: Path) -> None:
    save(tmp_path / "pred" / "a", 100, 100, size=32)
    save(tmp_path / "gt" / "a", 100, 100)
    report = evaluate_folders(tmp_path / "pred", tmp_path / "gt")
    assert report.interval("l1", method="prediction", view="all").mean == 0


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    save(tmp_path / "pred" / "a", 1)
    save(tmp_path / "gt" / "a", 1, 2, 3)
    with pytest.raises(MediaError, match=r"V15.*lacks 2 of 3 pictures, first 0001"):
        evaluate_folders(tmp_path / "pred", tmp_path / "gt")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"V1.*nowhere"):
        evaluate_folders(tmp_path, tmp_path / "nowhere")
