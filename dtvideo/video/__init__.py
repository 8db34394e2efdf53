"""Video in and out: streams of upright RGB frames at a constant, rational rate.

info = probe(path)                      facts, by decoding the whole file once
for frame in read_frames(info): ...     uint8 (h, w, 3), pose k belongs to frame k
with open_writer(output, size=..., rate=info.rate, audio_from=info.path) as writer: ...
"""

from dtvideo.limits import VideoLimits
from dtvideo.video.encode import VideoWriter
from dtvideo.video.read import VideoInfo, probe, read_frames
from dtvideo.video.writers import FrameWriter, open_writer

__all__ = [
    "FrameWriter",
    "VideoInfo",
    "VideoLimits",
    "VideoWriter",
    "open_writer",
    "probe",
    "read_frames",
]
