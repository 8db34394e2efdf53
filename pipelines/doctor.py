"""Check the machine part by part: each part is really used, not only looked for."""

import os
import platform
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from poses.errors import ExplainedError

OK, WARN, FAIL = "OK", "WARN", "FAIL"
SETUP = "run make setup"
FREE_GIGABYTES = 2
VERSION_FLOORS = {"torch": (2, 10), "pillow": (12, 0), "av": (15, 0), "diffusers": (0, 42)}
OPENCV_DISTRIBUTIONS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


@dataclass(frozen=True)
class Finding:
    """One checked part: its state, what was seen, and how to mend it."""

    part: str
    state: str
    seen: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<5} {self.part:<12} {self.seen}"
        return f"{line} · {self.remedy}" if self.remedy else line


def check_machine() -> list[Finding]:
    """Check every part and return what was found; no part's failure hides the next."""
    checks: tuple[tuple[str, Callable[[], Finding], str], ...] = (
        ("python", check_python, "install Python 3.11 or newer"),
        ("packages", check_packages, SETUP),
        ("torch", check_torch, SETUP),
        ("cv2", check_cv2, SETUP),
        ("codecs", check_codecs, SETUP),
        ("mediapipe", check_mediapipe, SETUP),
        ("openpose", check_openpose, "only needed for --detector openpose"),
        ("dwpose", check_dwpose, "only needed for --detector dwpose"),
        ("disk", check_disk, "free some space, or work in another folder"),
        ("model", check_model, "reinstall dtvideo: its weights come with it"),
        ("render", check_render, "see the line above"),
    )
    return [_guarded(part, check, remedy) for part, check, remedy in checks]


def worst(findings: list[Finding]) -> str:
    """Return the worst state among findings."""
    return max((finding.state for finding in findings), key=(OK, WARN, FAIL).index)


def _guarded(part: str, check: Callable[[], Finding], remedy: str) -> Finding:
    try:
        return check()
    except ExplainedError as error:
        return Finding(part, FAIL, error.problem, error.remedy or remedy)
    except Exception as error:
        summary = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        return Finding(part, FAIL, summary, remedy)


def check_python() -> Finding:
    """Python itself, the system and the processor cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    seen = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores"
    state = OK if sys.version_info >= (3, 11) else FAIL
    return Finding("python", state, seen, "" if state == OK else "install Python 3.11 or newer")


def check_packages() -> Finding:
    """Packages with a lower limit that safety or correctness sets."""
    found = {name: version(name) for name in VERSION_FLOORS}
    old = [name for name, floor in VERSION_FLOORS.items() if _numbers(found[name]) < floor]
    seen = ", ".join(f"{name} {number}" for name, number in found.items())
    return (
        Finding("packages", FAIL, f"too old: {old}; {seen}", SETUP)
        if old
        else Finding("packages", OK, seen)
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split("+")[0].split(".")[:2] if word.isdigit())


def check_torch() -> Finding:
    """A convolution on every device that there is."""
    import torch

    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        torch.nn.functional.conv2d(
            torch.ones(1, 1, 8, 8, device=device), torch.ones(1, 1, 3, 3, device=device)
        )
    named = [torch.cuda.get_device_name() if name == "cuda" else name for name in devices]
    return Finding("torch", OK, f"{', '.join(named)}; {torch.get_num_threads()} threads")


def check_cv2() -> Finding:
    """The one cv2 folder: loads, and needs no screen, though several packages write it."""
    import cv2

    owners = [name for name in OPENCV_DISTRIBUTIONS if _installed(name)]
    needs_screen = not re.search(r"GUI:\s+NONE", cv2.getBuildInformation())
    seen = f"{cv2.__version__} from {' and '.join(owners)}"
    if needs_screen:
        return Finding("cv2", WARN, f"{seen}, built for a screen", SETUP)
    return Finding("cv2", OK, f"{seen}, needs no screen")


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def check_codecs() -> Finding:
    """Write a short movie of every kind and read it back, frames counted."""
    from dtvideo.video import open_writer, probe

    frames = [np.full((32, 32, 3), shade, np.uint8) for shade in (0, 120, 250)]
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".mp4", ".mov", ".webm"):
            path = Path(folder) / f"check{suffix}"
            with open_writer(path, size=(32, 32), rate=Fraction(25)) as writer:
                for frame in frames:
                    writer.write(frame)
            if probe(path).frames != len(frames):
                return Finding("codecs", FAIL, f"{suffix} did not come back whole", SETUP)
    return Finding("codecs", OK, f"H.264 and VP9 written and read by PyAV {version('av')}")


def check_mediapipe() -> Finding:
    """Run the default pose back end on an empty picture."""
    return _try_detector("mediapipe")


def check_openpose() -> Finding:
    """Load the OpenPose back end, whose weights are a separate matter."""
    if not _installed("controlnet-aux"):
        return Finding("openpose", WARN, "not installed", "pip install controlnet-aux")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import controlnet_aux.open_pose  # noqa: F401

    seen = f"code loads, {_weights('openpose')} (non-commercial licence)"
    return Finding("openpose", OK, seen)


def check_dwpose() -> Finding:
    """Look for the optional DWPose runner."""
    if _installed("rtmlib") and _installed("onnxruntime"):
        return Finding("dwpose", OK, f"rtmlib {version('rtmlib')}, {_weights('dwpose')}")
    return Finding("dwpose", WARN, "not installed", "optional: pip install 'dtvideo[dwpose]'")


def _weights(detector: str) -> str:
    """Return whether a detector's weights were fetched; the network is not asked."""
    from poses.backends.weights import find_weights
    from poses.errors import DetectorError

    try:
        find_weights(detector)
    except DetectorError:
        return "weights not fetched"
    return "weights in the hub's cache"


def _try_detector(name: str) -> Finding:
    from pipelines.detectors import load_detector

    detector = load_detector(name)
    people = detector.detect(np.zeros((64, 64, 3), np.uint8))
    seen = f"runs on {detector.device}, sees {len(people)} in an empty picture"
    return Finding(name, OK if not people else WARN, seen)


def check_disk() -> Finding:
    """Write into this folder and see what is free."""
    with tempfile.NamedTemporaryFile(dir=Path.cwd(), prefix=".dtvideo-doctor-") as file:
        file.write(b"written")
        file.flush()
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    state = OK if free > FREE_GIGABYTES else WARN
    remedy = "" if state == OK else "free some space"
    return Finding("disk", state, f"this folder can be written, {free:.0f} GB are free", remedy)


def check_model() -> Finding:
    """Load the built-in model."""
    from pipelines.load_model import load_pipeline

    pipeline = load_pipeline("toon")
    size = sum(
        parameter.numel()
        for part in pipeline.components.values()
        if hasattr(part, "parameters")
        for parameter in part.parameters()
    )
    return Finding("model", OK, f"toon, {size / 1e6:.1f} million weights")


def check_render() -> Finding:
    """Render two frames of a drawn character, as a user would."""
    from dtvideo.images import save_png
    from dtvideo.toon.world import HELD_OUT_IDENTITIES, sample_scene, scene_drawings
    from pipelines.render import RenderJob, render
    from poses.io import write_clip
    from poses.types import PoseSequence

    scene = sample_scene(HELD_OUT_IDENTITIES[0], split="held-out")
    reference, target = scene_drawings(scene, 2)
    with tempfile.TemporaryDirectory() as folder:
        picture, clip = Path(folder) / "hero.png", Path(folder) / "dance.json"
        save_png(picture, reference.image)
        write_clip(PoseSequence.from_poses([reference.pose, target.pose]), clip)
        job = RenderJob(reference=picture, poses=clip, output=Path(folder) / "check.mp4")
        result = render(job)
    rate = result.frames / result.seconds
    return Finding("render", OK, f"{result.frames} frames, {rate:.1f} frames/s with loading")
