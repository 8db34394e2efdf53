"""What one render is asked to do: every setting, checked before anything is opened.

The parsers turn the words of a command line into the values that `RenderJob` holds; the job
itself refuses what cannot be honoured, so that a mistake costs a second and not a night.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dtvideo.errors import UsageError
from dtvideo.frame_names import is_folder, is_sequence, without_number
from dtvideo.limits import VideoLimits
from dtvideo.profiles import BY_SUFFIX, PROFILES, Profile, suffixes_of
from dtvideo.signing import SIGNABLE, Credentials
from pipelines.character_job import CharacterJob, check_choices, check_range, refusal
from pipelines.detectors import check_detector
from pipelines.frame_set import read_frame_set
from pipelines.plain_settings import PATH_SETTINGS, settings_from_plain
from poses.details import FaceChoice
from poses.rates import read_rate
from poses.select import NAMED_CHOICES, PersonChoice

STUDIO_FIRST = 1001
AUDIO_CHOICES = ("copy", "none")
CORRUPT_CHOICES = ("fail", "keep")
FACE_CHOICES = ("off", "weak", "full")
HANDS_CHOICES = ("on", "off")
NAMED_COLOURS: Mapping[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "gray": (128, 128, 128),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
}

POSE_SUFFIXES = (".json", ".bvh")
SEVERAL_DIGITS = re.compile(r"%\d*d|##")
COARSE_SCALE = 0.3  # of an IP-Adapter in the place of a subject encoder: about the paper's beta

Colour = tuple[int, int, int]
FrameRange = tuple[int, int | None]


@dataclass(frozen=True, kw_only=True)
class RenderJob(CharacterJob):
    """One clip to render: what, with what, to where.

    Raises: UsageError (code M11 for a value, U1 for a combination) naming the flag.
    """

    driver: Path | None = None
    """The driving video; its motion, rate and sound are used."""
    poses: Path | None = None
    """Key points instead of a video: a folder of OpenPose JSON files or a clip file."""
    output: Path | None = None
    """A movie, a folder or a frame pattern; by default <reference>_<driver>.mp4."""
    reference_weight: float = 10.0
    """How many times a reference token counts in self-subject attention."""
    previous_weight: float = 1.0
    """How many times a token of the previous frame counts."""
    puppet: float | None = None
    """Share of noise, above 0 to 1, over the coarse frame in the beginning; 1 when absent."""
    detector: str = "mediapipe"
    """Back end that finds the pose in the driving video: a name, or `dwpose:FOLDER`."""
    person: PersonChoice = "largest"
    """Who of the driver's people: a number from 1, left, right, largest or a place (x, y)."""
    face: FaceChoice | None = None
    """off, weak (eyes and mouth) or full; what a file holds, and none of a video, when absent."""
    hands: str | None = None
    """on or off; what a file holds, and none of a video, when absent."""
    cache: bool = True
    """Keep the poses found in a video, and use them again."""
    retarget: bool = True
    """Fit the motion to the character's own proportions."""
    smooth: bool = True
    """Smooth the key points over time (zero phase)."""
    room: bool = True
    """Add ground around a character that is cut out, for its arms and legs to move in."""
    frames: FrameRange | str | None = None
    """First and last frame of the driver at `rate`, both rendered; or a set such as 0-40x2,60."""
    rate: Fraction | None = None
    """Frames per second; the driver's when absent."""
    max_frames: int = 1_000_000
    """A driver of more frames is refused."""
    max_pixels: int = 67_108_864
    """A driver of more pixels a frame is refused."""
    on_corrupt: str = "fail"
    """Of a driver that is damaged further on: fail, or keep the good frames before."""
    audio: str = "copy"
    background: str | Colour = "reference"
    """reference, driver, alpha or a colour."""
    profile: str | None = None
    """How the result is encoded, by a name of `dtvideo.profiles`; by its suffix when absent."""
    studio: bool = False
    """Number the frames of a sequence from 1001 instead of 0."""
    c2pa_cert: Path | None = None
    """The certificate, with its chain, that the result is signed with (PEM)."""
    c2pa_key: Path | None = None
    """The private key of that certificate (PEM)."""
    resume: bool = False
    """Go on where an earlier run of the same job stopped; what is done already is kept."""
    skip_existing: bool = False
    """Leave a result that is there as it is, and end well."""

    def checks(self) -> tuple[Callable[[Any], None], ...]:
        """Return what refuses this job, one kind of fault each."""
        sources = _check_motion, _check_driver, _check_plates
        results = _check_output, _check_studio, _check_alpha, _check_signing
        return (*sources, *super().checks(), _check_numbers, _check_words, *results)

    @property
    def limits(self) -> VideoLimits:
        """How much of a driving video is taken on."""
        return VideoLimits(self.max_frames, self.max_pixels)

    @property
    def detectors(self) -> dict[str, str]:
        """The pose back ends that the job names, by what they are for."""
        own = {} if self.driver is None else {"detector": self.detector}
        return {**own, **super().detectors}

    def clip_changes(self) -> dict[str, object]:
        """Return what the job changes of a model's `ClipSettings`, guidance apart; None keeps."""
        own = {"previous_weight": self.previous_weight, "start_strength": self.puppet}
        return {**super().clip_changes(), **own}

    @property
    def stem(self) -> str:
        """The name of the result without suffix: <reference>_<driver>."""
        source = self.driver or self.poses
        assert source is not None
        return f"{self.reference.stem}_{source.stem or source.resolve().name}"

    @property
    def target(self) -> Path:
        """Where the frames go: the movie, the folder or the frame pattern."""
        ending = PROFILES[self.profile].ending if self.profile else ".mp4"
        return self.output if self.output is not None else Path(f"{self.stem}{ending}")

    @property
    def encoding(self) -> Profile:
        """How the result is encoded: by the profile, else by its suffix; a folder gets PNG."""
        if self.profile is not None:
            return PROFILES[self.profile]
        return BY_SUFFIX[".png" if is_folder(self.target) else self.target.suffix.lower()]

    @property
    def encoding_suffix(self) -> str:
        """The suffix of the files that the result is made of."""
        return self.encoding.suffixes[0] if is_folder(self.target) else self.target.suffix.lower()

    @property
    def first_number(self) -> int:
        """The number of the first frame in the names of a sequence."""
        return STUDIO_FIRST if self.studio else 0

    @property
    def credentials(self) -> Credentials | None:
        """Who signs the result, or None."""
        if self.c2pa_cert is None or self.c2pa_key is None:
            return None
        return Credentials(self.c2pa_cert, self.c2pa_key)

    @property
    def inputs(self) -> list[Path]:
        """Every file or folder that the job reads and names itself."""
        names = sorted(PATH_SETTINGS - {"output"})
        return [path for name in names if (path := getattr(self, name)) is not None]

    def beside(self, suffix: str) -> Path:
        """Return the path of a companion of the result, for example `.json`.

        A movie `x.mp4` has `x.json`; a pattern `shot.%04d.png` has `shot.json`; in a folder
        the companion is named after reference and driver.
        """
        target = self.target
        if is_folder(target):
            return target / f"{self.stem}{suffix}"
        return target.with_name(f"{without_number(target) or self.stem}{suffix}")


def job_from_plain(values: Mapping[str, Any], *, beside: Path = Path()) -> RenderJob:
    """Return the job of which `RenderJob.settings` gave these values.

    beside: the folder that relative paths start from.
    Raises: UsageError M11 for an unknown setting, and as `RenderJob`.
    """
    read = settings_from_plain(RenderJob, values, beside=beside)
    if "rate" in read:
        read["rate"] = parse_rate(str(read["rate"]))
    return RenderJob(**read)


def parse_size(text: str) -> tuple[int, int]:
    """Read `WxH`, for example `512x768`."""
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", text.strip())
    if not match:
        raise refusal("--size", text, "write width x height in pixels, such as 256x384")
    return int(match[1]), int(match[2])


def parse_frames(text: str) -> FrameRange | str:
    """Read `A-B`, `A-`, `-B` or `A`, or a set such as `0-40x2,60`.

    Frames are counted from 0, both ends included; of a set see `pipelines.frame_set`.
    """
    match = re.fullmatch(r"(\d{0,9})(-?)(\d{0,9})", text.strip())
    if match is None and re.fullmatch(r"[\d\s,xy:-]+", text):
        return read_frame_set(text)
    if not match or not (match[1] or match[3]):
        raise refusal("--frames", text, "write first-last counted from 0, such as 24-71")
    first = int(match[1] or 0)
    last = int(match[3]) if match[3] else (None if match[2] else first)
    return first, last


def parse_rate(text: str) -> Fraction:
    """Read `25`, `30000/1001` or `29.97`; the well-known decimals become exact fractions."""
    try:
        return read_rate(text)
    except (ValueError, ZeroDivisionError):
        raise refusal("--fps", text, "write a number or a fraction, such as 30000/1001") from None


def parse_person(text: str, *, flag: str = "--person") -> PersonChoice:
    """Read a number from 1, `left`, `right`, `largest`, or a place `x,y` in pixels."""
    word = text.strip().lower()
    if re.fullmatch(r"[1-9]\d{0,3}", word):
        return int(word)
    if word in NAMED_CHOICES:
        return NAMED_CHOICES[word]
    if match := re.fullmatch(r"(\d{1,6}(?:\.\d*)?),(\d{1,6}(?:\.\d*)?)", word):
        return float(match[1]), float(match[2])
    remedy = "give a number from 1, left, right, largest or a place x,y"
    raise refusal(flag, text, remedy)


def parse_background(text: str) -> str | Colour:
    """Read `reference`, `driver`, `alpha`, a colour name or `#rrggbb`."""
    word = text.strip().lower()
    if word in ("reference", "driver", "alpha"):
        return word
    if word in NAMED_COLOURS:
        return NAMED_COLOURS[word]
    if re.fullmatch(r"#?[0-9a-f]{6}", word):
        red, green, blue = bytes.fromhex(word.removeprefix("#"))
        return red, green, blue
    names = ", ".join(NAMED_COLOURS)
    raise refusal("--background", text, f"give reference, driver, alpha, #rrggbb or one of {names}")


def parse_lora(text: str) -> tuple[str, float]:
    """Read `NAME` or `NAME:SCALE`; the scale is 1 when absent."""
    return _scaled("--lora", text, 1.0)


def parse_ip_adapter(text: str) -> tuple[str, float]:
    """Read `NAME` or `NAME:SCALE`; the scale is that of a coarse identity when absent."""
    return _scaled("--ip-adapter", text, COARSE_SCALE)


def parse_embedding(text: str) -> tuple[str, str | None]:
    """Read `FILE.safetensors` or `FILE.safetensors:WORD`; the file's own word when absent."""
    name, separator, word = text.partition(".safetensors:")
    return (name + separator[:-1], word or None) if separator else (text, None)


def _scaled(flag: str, text: str, default: float) -> tuple[str, float]:
    name, separator, scale = text.rpartition(":")
    if not separator:
        return text, default
    try:
        return name, float(scale)
    except ValueError:
        raise refusal(flag, text, "write FILE:SCALE, such as style.safetensors:0.8") from None


def parse_bytes(text: str) -> int:
    """Read an amount of memory: `800M`, `4G`, `1.5GB` or a number of bytes."""
    match = re.fullmatch(r"(\d{1,18}(?:\.\d+)?)\s*([kmgt]?)i?b?", text.strip().lower())
    if not match:
        raise refusal("--cache-memory", text, "write an amount such as 800M or 4G")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2] or " "))


def _check_motion(job: RenderJob) -> None:
    if (job.driver is None) == (job.poses is None):
        problem = "both a video and --poses are given" if job.driver else "no motion is given"
        raise UsageError("U1", "animate", problem, "give either VIDEO or --poses PATH")


def _check_driver(job: RenderJob) -> None:
    if job.driver is not None and job.driver.suffix.lower() in POSE_SUFFIXES:
        raise UsageError("U1", job.driver, "holds poses, not frames", "give it by --poses")


def _check_plates(job: RenderJob) -> None:
    if job.background == "driver" and job.driver is None and job.poses is not None:
        raise UsageError(
            "U1", "--background", "driver needs a driving video", "give VIDEO instead of --poses"
        )


def _check_words(job: RenderJob) -> None:
    check_detector(job.detector, subject="--detector")
    check_choices(
        {
            "--audio": (job.audio, AUDIO_CHOICES),
            "--on-corrupt": (job.on_corrupt, CORRUPT_CHOICES),
            "--profile": (job.profile, (None, *PROFILES)),
            "--face": (job.face, (None, *FACE_CHOICES)),
            "--hands": (job.hands, (None, *HANDS_CHOICES)),
        }
    )


def _check_numbers(job: RenderJob) -> None:
    check_range("--prev-weight", job.previous_weight, 0, 1000)
    check_range("--puppet", job.puppet, 0.001, 1)
    check_range("--fps", job.rate, Fraction(1, 10), 1000)
    check_range("--max-frames", job.max_frames, 1, 10**9)
    check_range("--max-pixels", job.max_pixels, 256, 2**32)
    if isinstance(job.frames, str):
        read_frame_set(job.frames)
    elif job.frames and job.frames[1] is not None and job.frames[1] < job.frames[0]:
        raise refusal("--frames", f"{job.frames[0]}-{job.frames[1]}", "first comes before last")


def _check_output(job: RenderJob) -> None:
    target = job.target
    if job.skip_existing and (job.overwrite or job.resume):
        problem = f"is given beside --{'overwrite' if job.overwrite else 'resume'}"
        raise UsageError("U1", "--skip-existing", problem, "give one of them")
    _check_name(target, PROFILES[job.profile] if job.profile else None, job.profile)
    if job.output is not None:
        _check_letters(job.output)


def _check_studio(job: RenderJob) -> None:
    if job.studio and not is_sequence(job.target):
        problem = "numbers frames, and the result is one file"
        raise UsageError("U1", "--studio", problem, "give -o as a folder/ or a pattern")


def _check_alpha(job: RenderJob) -> None:
    if job.background == "alpha" and not job.encoding.alpha:
        raise UsageError(
            "U1",
            "--background",
            f"{job.profile or job.target.suffix} cannot hold transparency here",
            "give -o as a folder/, .mkv, .webp, .gif, a .png or .exr pattern, or .mov with "
            "--profile prores4444",
        )


def _check_name(target: Path, profile: Profile | None, name: str | None) -> None:
    """Refuse a result whose name does not fit its profile, or any, or is an ending alone.

    Raises: UsageError M11.
    """
    if target.name == "-" or target.name.lower() in BY_SUFFIX:
        raise refusal("-o", str(target), "give a name, such as clip.mp4")
    if profile is not None and is_sequence(target) != (profile.kind == "frames"):
        one = "a folder/ or a pattern such as shot.%04d" if profile.kind == "frames" else "a name"
        raise refusal("-o", str(target), f"{name} needs {one}, {profile.suffixes[0]}")
    if is_folder(target):
        return
    suffix, numbered = target.suffix.lower(), suffixes_of("frames")
    known = profile.suffixes if profile else tuple(BY_SUFFIX)
    if suffix not in known:
        movies = [each for each in known if each not in numbered]
        more = "" if profile else ", a folder/ or a pattern such as shot.%04d.png"
        raise refusal("-o", str(target), f"give {', '.join(movies or known)}{more}")
    if suffix in numbered and not is_sequence(target):
        pattern = target.with_name(f"{target.stem}.%04d{target.suffix}")
        raise UsageError("M11", "-o", f"{target} is one picture, not a clip", f"give {pattern}")


def _check_letters(output: Path) -> None:
    """Refuse a movie that somebody wants numbered, unless it bears that very name already.

    Raises: UsageError M11.
    """
    if not is_sequence(output) and SEVERAL_DIGITS.search(output.name) and not output.exists():
        raise refusal("-o", str(output), "only .png and .exr are numbered; a movie is one file")


def _check_signing(job: RenderJob) -> None:
    if (job.c2pa_cert is None) != (job.c2pa_key is None):
        problem = "a certificate and its key are needed, one is missing"
        raise UsageError("U1", "--c2pa-cert", problem, "give --c2pa-cert and --c2pa-key")
    if job.credentials and (suffix := job.encoding_suffix) not in SIGNABLE:
        remedy = f"give a result that is {', '.join(SIGNABLE)}"
        raise UsageError("U1", "--c2pa-cert", f"{suffix} files cannot be signed", remedy)
