import numpy as np
import pytest
import torch

from dtvideo.errors import ModelError
from dtvideo.toon import keypoints
from dtvideo.toon.keypoints import (
    CELL,
    WEIGHTS,
    KeypointNet,
    ToonDetector,
    read_heat_maps,
    to_cells,
)
from dtvideo.toon.trials import toon_trials
from dtvideo.toon.world import sample_scene, scene_drawings
from poses.extract import PoseDetector
from poses.skeleton import BODY18

trained = pytest.mark.skipif(
    not (WEIGHTS / "config.json").exists(), reason="the weights are not in this checkout"
)


@pytest.fixture
def untrained(tmp_path) -> ToonDetector:
    torch.manual_seed(0)
    KeypointNet(channels=(8, 8, 8, 8), size=32).save_pretrained(tmp_path)
    return ToonDetector(tmp_path)


def probabilities(cells: dict[tuple[int, int], float], *, side: int = 8) -> torch.Tensor:
    """Logits of one joint's heat map with these probabilities at (x, y) and none elsewhere."""
    maps = torch.full((1, 1, side, side), -1e4)
    for (x, y), value in cells.items():
        maps[0, 0, y, x] = np.log(value)
    return maps


def read(maps: torch.Tensor, presence: float = 1e4) -> list[float]:
    return read_heat_maps(maps, torch.tensor([[presence]]))[0, 0].tolist()


@pytest.mark.parametrize("place", [(3.3, 4.8), (2.5, 4.0), (5.0, 5.49)])
def test_a_place_is_read_finer_than_a_cell(place):
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    distance = (columns - place[0]) ** 2 + (rows - place[1]) ** 2
    assert read(-distance[None, None] / 2)[:2] == pytest.approx(place, abs=1e-4)


def test_what_is_far_from_the_peak_moves_nothing_but_lowers_the_confidence():
    assert read(probabilities({(2, 2): 0.6, (4, 2): 0.1, (7, 7): 0.3})) == pytest.approx(
        [2.0, 2.0, 0.7]
    )


def test_a_peak_at_the_rim_stays_at_the_rim():
    assert read(probabilities({(0, 7): 0.75, (1, 7): 0.25})) == pytest.approx([0.0, 7.0, 1.0])


def test_presence_multiplies_the_confidence():
    assert read(probabilities({(1, 1): 1.0}), presence=0.0) == pytest.approx([1, 1, 0.5])
    assert read(probabilities({(1, 1): 1.0}), presence=-1e4)[2] == 0


def test_cells_lie_in_the_middle_of_their_pixels():
    """Cell 0 covers pixels 0 and 1, whose middle is 0.5."""
    points = np.array([[0.5, 2.5], [1.5, 0.0]])
    np.testing.assert_allclose(to_cells(points), [[0, 1], [0.5, -0.25]])
    assert CELL == 2


def test_the_net_makes_a_map_a_joint_at_half_of_the_side():
    maps, presence = KeypointNet(channels=(8, 8, 8, 8))(torch.zeros(2, 3, 32, 48))
    assert maps.shape == (2, 18, 16, 24)
    assert presence.shape == (2, 18)


def test_the_detector_keeps_the_protocol(untrained):
    detector: PoseDetector = untrained
    assert (detector.name, detector.licence, detector.device) == ("toon", "Apache-2.0", "cpu")


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(ModelError) as caught:
        ToonDetector(tmp_path / "nowhere")
    assert caught.value.code == "M1"
    assert "nowhere" in str(caught.value)


@pytest.mark.parametrize(("width", "height"), [(32, 32), (64, 32), (20, 80)])
def test_places_are_mapped_back_through_letterboxing(untrained, monkeypatch, width, height):
    """The net's grid has 16 x 16 cells over the padded picture; cell 7.5 is its middle."""

    def middle(maps, presence):
        assert maps.shape[-2:] == (16, 16)
        return torch.tensor([7.5, 7.5, 1.0]).expand(1, 18, 3).clone()

    monkeypatch.setattr(keypoints, "read_heat_maps", middle)
    (pose,) = untrained.detect(np.zeros((height, width, 3), np.uint8))
    assert pose.size == (width, height)
    np.testing.assert_allclose(pose.body[:, 0], width / 2)
    np.testing.assert_allclose(pose.body[:, 1], height / 2)


def test_unsure_joints_are_missing_and_an_unsure_body_is_no_pose(untrained, monkeypatch):
    read_out = torch.tensor([2.0, 2.0, 1.0]).expand(1, 18, 3).clone()
    read_out[0, 4, 2] = 0.1
    monkeypatch.setattr(keypoints, "read_heat_maps", lambda *_: read_out.clone())
    (pose,) = untrained.detect(np.zeros((32, 32, 3), np.uint8))
    assert np.isnan(pose.body[4, :2]).all()
    assert pose.body[4, 2] == 0
    assert np.isfinite(pose.body[5]).all()
    read_out[..., 2] = 0.29
    assert untrained.detect(np.zeros((32, 32, 3), np.uint8)) == []


@trained
def test_nobody_is_found_in_an_empty_picture():
    detector = ToonDetector()
    assert detector.detect(np.full((96, 128, 3), 200, np.uint8)) == []


@trained
def test_a_drawn_figure_is_found_near_its_joints():
    detector = ToonDetector()
    off = []
    for trial in toon_trials(4, 1):
        found = detector.detect(trial.truths[0].image)
        if found:
            off.append(np.linalg.norm((found[0].body - trial.poses[0].body)[:, :2], axis=1))
    assert len(off) >= 3
    assert np.nanmedian(np.concatenate(off)) < 6


@trained
def test_a_mirrored_figure_has_the_mirrored_pose():
    image = next(toon_trials(1, 3, size=(128, 128))).truths[0].image
    (pose,) = ToonDetector().detect(image)
    (mirrored,) = ToonDetector().detect(np.ascontiguousarray(image[:, ::-1]))
    expected = pose.body[list(BODY18.mirrored)] * (-1, 1, 1) + (128, 0, 0)
    np.testing.assert_allclose(mirrored.body, expected, atol=1e-3)


@trained
def test_references_are_found_in_place_with_no_lean_to_a_side():
    """The middle error of each axis is a matter of conventions: half a pixel would show."""
    detector, errors = ToonDetector(), []
    for number in range(1_000_000, 1_000_024):
        scene = sample_scene(number, split="held-out")
        drawing = scene_drawings(scene, 1, key=number)[0]
        (found,) = detector.detect(drawing.image)
        both = (found.body[:, 2] > 0) & (drawing.pose.body[:, 2] > 0)
        errors.append((found.body - drawing.pose.body)[both, :2])
    offsets = np.concatenate(errors)
    assert np.abs(np.median(offsets, axis=0)).max() < 0.25
    assert np.median(np.linalg.norm(offsets, axis=1)) < 1.2
