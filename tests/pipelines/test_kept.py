import json
from dataclasses import replace

import pytest

from dtvideo.attention import CachePlan
from dtvideo.images import load_image
from pipelines.kept import Kept
from pipelines.render import render
from pipelines.sidecar import fingerprint


@pytest.fixture
def job(job):
    return replace(job, size=None)


def reference(kept, job, *, size=(32, 32)):
    inputs = [
        {"role": role, **fingerprint(path)}
        for role, path in (
            ("reference", job.reference),
            ("reference pose", job.reference_pose),
            ("poses", job.poses),
        )
    ]
    return kept.reference(job, load_image(job.reference), size=size, inputs=inputs)


def test_a_character_is_looked_at_once_for_all_its_clips(job, tmp_path):
    kept = Kept()
    first = reference(kept, job)
    copy = tmp_path / "the same picture.png"
    copy.write_bytes(job.reference.read_bytes())
    motion = tmp_path / "other.json"
    motion.write_bytes(job.poses.read_bytes() + b"\n")
    assert reference(kept, replace(job, reference=copy, poses=motion, seed=3)) is first


def test_another_picture_pose_size_or_way_of_looking_is_looked_at_again(job, tmp_path):
    kept = Kept()
    first = reference(kept, job)
    pose = tmp_path / "pose.json"
    pose.write_bytes(job.reference_pose.read_bytes() + b"\n")
    for changed in (replace(job, reference_pose=pose), replace(job, strict=True)):
        assert reference(kept, changed) is not first
        first = reference(kept, job)
    assert reference(kept, job, size=(64, 64)).image.shape == (64, 64, 3)


def test_a_character_is_encoded_once_for_clips_of_the_same_settings(job, tmp_path):
    def passes(kept, name, **changes):
        hook = kept.model(job)[0].unet.register_forward_pre_hook(lambda *_: asked.append(1))
        asked = []
        result = render(replace(job, size=(32, 32), output=tmp_path / name, **changes), kept=kept)
        hook.remove()
        return len(asked), json.loads(result.sidecar.read_text())["frames"]["sha256_of_rgb"]

    kept = Kept()
    first, frames = passes(kept, "a.mp4")
    again, same = passes(kept, "b.mp4")
    other, different = passes(kept, "c.mp4", seed=3)
    assert (again, other) == (first - 1, first)
    assert same == frames != different


def test_a_model_is_loaded_once_for_clips_that_differ_in_what_does_not_touch_it(job):
    kept = Kept()
    pipeline, told = kept.model(job)
    assert kept.model(replace(job, seed=9, prompt="a knight"))[0] is pipeline
    kept.features.plan = CachePlan("device", 1, 1)
    assert kept.model(replace(job, cache_memory=10**9))[0] is not pipeline
    assert kept.features.plan is None
    assert told["name"] == job.model
