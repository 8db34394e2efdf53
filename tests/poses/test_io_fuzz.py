"""Whatever a key-point file holds, it is read or refused in one line."""

import contextlib
import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from poses.errors import PoseError
from poses.formats.clip import clip_data
from poses.formats.coco import coco_data
from poses.formats.openpose import frame_data
from poses.io import (
    read_poses,
)
from poses.synthetic import walk
from tests.pose_files import frame, save

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "people",
                    "pose_keypoints_2d",
                    "format",
                    "version",
                    "size",
                    "rate",
                    "frames",
                    "body",
                    "annotations",
                    "images",
                    "image_id",
                    "id",
                    "keypoints",
                    "canvas_width",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


NUMBERS = st.lists(st.floats() | st.integers() | st.none(), min_size=54, max_size=54)


@st.composite
def mutilated(draw, data):
    """A file that is nearly right: one thing in it, at any depth, is another."""
    data = json.loads(data)
    place = data
    for _ in range(draw(st.integers(0, 5))):
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key]):
            break
        place = place[key]
    key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    if draw(st.booleans()):
        place[key] = draw(ANYTHING)
    else:
        del place[key]
    return data


CLIP = json.dumps(clip_data(walk(3)))


COCO = json.dumps(coco_data(walk(3), whole_body=True))


OPENPOSE = json.dumps([frame_data(pose) for pose in walk(3)])


@settings(max_examples=150)
@given(data=st.sampled_from([CLIP, COCO, OPENPOSE]).flatmap(mutilated))
def test_p6_a_file_that_is_nearly_right_is_read_or_refused(data, tmp_path_factory):
    path = save(tmp_path_factory.mktemp("fuzz") / "f.json", data)
    with contextlib.suppress(PoseError):
        sequence = read_poses(path)
        known = sequence.body[..., 2] > 0
        assert np.isfinite(sequence.body[known]).all()
        assert 1 <= len(sequence) <= 3
        assert (sequence.body[..., 2] <= 1).all()


@settings(max_examples=40)
@given(data=ANYTHING | NUMBERS.map(frame) | st.just({"format": "dtvideo-poses", "version": 1}))
def test_whatever_the_json_holds_it_is_read_or_refused(data, tmp_path_factory):
    path = save(tmp_path_factory.mktemp("fuzz") / "f.json", data)
    with contextlib.suppress(PoseError):
        sequence = read_poses(path, size=(64, 64))
        known = sequence.body[..., 2] > 0
        assert np.isfinite(sequence.body[known]).all()
        assert known.any()
        assert (sequence.body[..., 2] <= 1).all()
