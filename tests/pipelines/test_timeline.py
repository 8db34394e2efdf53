import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from dtvideo.errors import MediaError, OutputError, UsageError
from pipelines.job import RenderJob
from pipelines.manifest import ClipJob
from pipelines.timeline import write_timeline

otio = pytest.importorskip("opentimelineio")
NTSC = Fraction(30000, 1001)


def finished(folder, name, *, rate=NTSC, frames=48, **changes):
    """A clip of a batch with the side-car that a render would leave."""
    job = RenderJob(reference=Path("hero.png"), driver=Path("dance.mp4"), output=folder / name)
    job = replace(job, **changes)
    told = {
        "schema": "dtvideo-sidecar",
        "schema_version": 1,
        "status": "done",
        "recipe_hash": "abc",
        "digital_source_type": "http://x/trainedAlgorithmicMedia",
        "frames": {"count": frames},
        "delivery": {"rate": str(rate), "first_number": job.first_number if job.studio else None},
    }
    job.beside(".json").parent.mkdir(parents=True, exist_ok=True)
    job.beside(".json").write_text(json.dumps(told))
    return ClipJob(name, 1, job)


def test_a_batch_is_one_track_in_the_manifests_order_at_its_own_rates(tmp_path):
    clips = [
        finished(tmp_path, "b c.mp4"),
        finished(tmp_path, "a.mov", rate=Fraction(25), frames=10),
    ]
    unfinished = replace(clips[0], name="later", job=replace(clips[0].job, output=Path("n.mp4")))
    path = tmp_path / "edit" / "batch.otio"
    missing = write_timeline([clips[0], unfinished, clips[1]], path, name="batch")
    assert missing == ["later"]
    timeline = otio.adapters.read_from_file(str(path))
    (track,) = timeline.tracks
    assert [clip.name for clip in track] == ["b c.mp4", "a.mov"]
    first, second = track
    assert first.media_reference.target_url == "../b%20c.mp4"
    assert first.source_range.duration == otio.opentime.RationalTime(48, 30000 / 1001)
    assert second.available_range().duration == otio.opentime.RationalTime(10, 25)
    assert timeline.duration().to_seconds() == pytest.approx(48 * 1001 / 30000 + 0.4)
    assert first.metadata["dtvideo"]["sidecar"] == "../b%20c.json"


@pytest.mark.parametrize(
    ("output", "changes", "last"),
    [
        ("s.%04d.exr", {"studio": True}, "s.1010.exr"),
        ("s_###.png", {}, "s_009.png"),
        ("frames", {"studio": True}, "frames/frame.1010.png"),
    ],
)
def test_numbered_frames_are_found_by_their_numbers(output, changes, last, tmp_path):
    clip = finished(tmp_path, output, frames=10, **changes)
    write_timeline([clip], tmp_path / "x.otio", name="x")
    (track,) = otio.adapters.read_from_file(str(tmp_path / "x.otio")).tracks
    media = track[0].media_reference
    assert media.number_of_images_in_sequence() == 10
    found = Path(media.target_url_for_image_number(9))
    assert (tmp_path / found).resolve() == (tmp_path / last).resolve()


def test_what_cannot_be_a_timeline_is_refused(tmp_path):
    clip = finished(tmp_path, "a.mp4")
    with pytest.raises(UsageError, match=r"give a name\.otio"):
        write_timeline([clip], tmp_path / "x.edl", name="x")
    with pytest.raises(MediaError, match="has no finished clip"):
        write_timeline([], tmp_path / "x.otio", name="x")
    (tmp_path / "x.otio").write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_timeline([clip], tmp_path / "x.otio", name="x")
