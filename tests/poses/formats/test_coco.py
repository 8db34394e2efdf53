"""COCO has no neck: what only that joint tells is no annotation."""

import numpy as np
import pytest

from poses.io import read_poses, write_coco
from poses.synthetic import walk
from poses.types import missing_joints


@pytest.mark.parametrize("whole_body", [False, True])
def test_a_frame_that_has_only_a_neck_is_written_without_a_person(tmp_path, whole_body):
    sequence = walk(3)
    body = sequence.body.copy()
    neck = body[1, 1].copy()
    body[1] = missing_joints(18)
    body[1, 1] = neck
    path = tmp_path / "walk.json"
    write_coco(sequence.with_body(body), path, whole_body=whole_body)
    found = read_poses(path).body
    assert len(found) == 3
    assert not found[1, :, 2].any()
    shoulders = [2, 5]
    np.testing.assert_allclose(found[[0, 2]][:, shoulders], body[[0, 2]][:, shoulders], atol=2e-3)
