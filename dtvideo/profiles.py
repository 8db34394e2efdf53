"""Profiles: what a result is encoded as, by the name that a person gives or by its suffix.

Plain values only, so that the command line can check a name without any codec being loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dtvideo.errors import UsageError

MUXERS = MappingProxyType({".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"})
FAST_START = MappingProxyType({"movflags": "+faststart"})
NO_RANDOM_NAMES = MappingProxyType({"fflags": "+bitexact"})


@dataclass(frozen=True)
class Profile:
    """How one kind of result is stored.

    kind: movie, animation (one looping file) or frames (one file a frame); suffixes: what the
    result may end in, the usual one first; bits: of one colour value.
    """

    kind: str
    suffixes: tuple[str, ...]
    share: float
    """Its bytes beside those of 8-bit RGB, at most, for pictures as they come: to plan the disk."""
    bits: int = 8
    alpha: str = ""
    """straight or premultiplied, where transparency can be held."""
    codec: str = ""
    pixels: str = ""
    alpha_pixels: str = ""
    """The codec's pixel format with alpha; the other one where there is none."""
    options: Mapping[str, str] = field(default_factory=dict)
    muxer_options: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""
    """The codec's four letters in the file, where a player asks for other than the usual ones."""

    @property
    def ending(self) -> str:
        """What is put behind the stem of a result that nobody named."""
        return f".%04d{self.suffixes[0]}" if self.kind == "frames" else self.suffixes[0]

    def stored_pixels(self, *, alpha: bool) -> str:
        """Return the codec's pixel format, with or without alpha; none where it has no choice."""
        return (alpha and self.alpha_pixels) or self.pixels

    @property
    def is_rgb(self) -> bool:
        """Whether pixels are stored as they are, neither subsampled nor turned into luma."""
        return self.pixels.startswith(("bgr", "rgb"))

    @property
    def needs_even_sides(self) -> bool:
        """Whether two pixels share one colour, so that sides must be even."""
        return self.pixels.startswith("yuv420")


def _h264(crf: int, preset: str, share: float) -> Profile:
    return Profile(
        kind="movie",
        suffixes=(".mp4", ".mov"),
        share=share,
        codec="libx264",
        pixels="yuv420p",
        options=MappingProxyType({"crf": str(crf), "preset": preset}),
        muxer_options=FAST_START,
    )


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "h264-web": _h264(23, "slow", 0.1),
        "h264-review": _h264(18, "slower", 0.2),
        "hevc": Profile(
            kind="movie",
            suffixes=(".mp4", ".mov"),
            share=0.2,
            bits=10,
            codec="libx265",
            pixels="yuv420p10le",
            options=MappingProxyType(
                {
                    "crf": "20",
                    "preset": "medium",
                    "x265-params": "log-level=error:pools=1:frame-threads=1",
                }
            ),
            muxer_options=FAST_START,
            tag="hvc1",
        ),
        "prores4444": Profile(
            kind="movie",
            suffixes=(".mov",),
            share=1.0,
            bits=10,
            alpha="straight",
            codec="prores_ks",
            pixels="yuv444p10le",
            alpha_pixels="yuva444p10le",
            options=MappingProxyType({"profile": "4444", "vendor": "apl0", "alpha_bits": "16"}),
            muxer_options=FAST_START,
        ),
        "ffv1-master": Profile(
            kind="movie",
            suffixes=(".mkv",),
            share=1.0,
            alpha="straight",
            codec="ffv1",
            pixels="bgr0",
            alpha_pixels="bgra",
            options=MappingProxyType({"level": "3", "slices": "4", "slicecrc": "1", "g": "1"}),
            muxer_options=NO_RANDOM_NAMES,
        ),
        "png": Profile(kind="frames", suffixes=(".png",), share=1.0, alpha="straight"),
        "exr": Profile(
            kind="frames", suffixes=(".exr",), share=2.0, bits=16, alpha="premultiplied"
        ),
        "gif": Profile(kind="animation", suffixes=(".gif",), share=0.35, alpha="straight"),
        "webp": Profile(kind="animation", suffixes=(".webp",), share=0.2, alpha="straight"),
    }
)
"""By the name after `--profile`."""

_H264 = _h264(18, "slow", 0.2)
_VP9 = Profile(
    kind="movie",
    suffixes=(".webm",),
    share=0.2,
    codec="libvpx-vp9",
    pixels="yuv420p",
    options=MappingProxyType(
        {"crf": "24", "b": "0", "row-mt": "0", "deadline": "good", "cpu-used": "4"}
    ),
)
BY_SUFFIX: Mapping[str, Profile] = MappingProxyType(
    {
        ".mp4": _H264,
        ".mov": _H264,
        ".webm": _VP9,
        ".mkv": PROFILES["ffv1-master"],
        ".gif": PROFILES["gif"],
        ".webp": PROFILES["webp"],
        ".png": PROFILES["png"],
        ".exr": PROFILES["exr"],
    }
)
"""By the suffix of a result whose profile nobody named."""


def suffixes_of(kind: str) -> tuple[str, ...]:
    """Return every suffix that a movie, an animation or frames may have."""
    return tuple(suffix for suffix, profile in BY_SUFFIX.items() if profile.kind == kind)


def movie_profile(path: Path, profile: Profile | None = None) -> Profile:
    """Return the profile of a movie: the one given if it fits the suffix, else the suffix's own.

    Raises: UsageError V12 when the suffix is no movie's, or not one of the profile's.
    """
    suffix = path.suffix.lower()
    chosen = profile or BY_SUFFIX.get(suffix)
    if chosen is None or chosen.kind != "movie" or suffix not in chosen.suffixes:
        known = ", ".join(profile.suffixes if profile else suffixes_of("movie"))
        problem = f"{path.suffix or 'no suffix'} is not a movie format"
        problem += " of this profile" if profile else ""
        raise UsageError("V12", path, problem, f"give {known}")
    return chosen
