"""Frames that are not one run: `0-40x2,60`, as Nuke, RV and most of a studio's tools write them.

Frames of the driver are counted from 0. The poses of the whole span are found, smoothed and fitted;
then those of the chosen frames are rendered, in their order, at the driver's rate. So every second
frame of a walk is a walk at double speed, and there is no sound.
"""

import re
from functools import cache

from dtvideo.errors import UsageError
from poses.requirement import require

MOST_FRAMES = 1_000_000
EXAMPLE = "write for example 0-40x2,60: every second frame from 0 to 40, and 60"


def read_frame_set(text: str) -> str:
    """Return a set of frames in its usual form.

    Raises: UsageError M11 when it cannot be read, when its frames do not ascend, or when it says
    `:` or `y`, which mean one thing here and another there; M1 when fileseq is not installed.
    """
    written = re.sub(r"[\s,]+", ",", text.strip().strip(","))
    written = re.sub(r",*-,*", "-", written)
    if re.search(r"\d{10}", written):
        raise _refusal(text, "cannot be read")
    if re.search(r"[:y]", written):
        raise _refusal(text, "says : or y, which other tools read otherwise; x steps")
    frames = frame_numbers(written)
    if not frames:
        raise _refusal(text, "holds no frame")
    return written


@cache
def frame_numbers(text: str) -> tuple[int, ...]:
    """Return the frames of a set, ascending.

    Raises: as `read_frame_set`.
    """
    install = "'dtvideo[studio]', or give one run such as 24-71"
    fileseq = require("fileseq", subject=f"--frames {text}", install=install, error=UsageError)
    try:
        frames = tuple(fileseq.FrameSet(text))
    except (fileseq.FileSeqException, ValueError) as error:
        raise _refusal(text, "cannot be read") from error
    if len(frames) > MOST_FRAMES:
        raise _refusal(text, f"holds more than {MOST_FRAMES} frames")
    if any(not isinstance(frame, int) or frame < 0 for frame in frames):
        raise _refusal(text, "holds numbers that are no frames")
    if list(frames) != sorted(frames):
        raise _refusal(text, "runs backwards")
    return frames


def _refusal(text: str, problem: str) -> UsageError:
    return UsageError("M11", "--frames", f"{text!r} {problem}", EXAMPLE)
