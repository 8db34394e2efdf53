"""What a job of pictures from words is asked: every setting, checked before anything is opened."""

from dataclasses import dataclass
from pathlib import Path

from dtvideo.errors import UsageError
from dtvideo.frame_names import is_folder
from dtvideo.models.sources import is_toon
from pipelines.character_job import MAX_SEED, CharacterJob, check_range

MOST_PICTURES = 1000
DRAWN_WEIGHT, NATURAL_WEIGHT = 2.5, 3.0
"""Of the reference, for models of drawn characters and for others (arXiv:2312.13691, 4.1)."""


@dataclass(frozen=True, kw_only=True)
class GenerateJob(CharacterJob):
    """Pictures of one character by words, by a pose, or by both.

    The noise of a picture is a function of its number alone, which counts up from `seed`; so a
    picture can be had again by itself.
    Raises: UsageError (code M11 for a value, U1 for a combination) naming the flag.
    """

    count: int = 4
    """How many pictures."""
    output: Path | None = None
    """A folder; by default <reference>_pictures."""
    pose: Path | None = None
    """Key points to take, as JSON; the picture's own, or none at all, when absent."""
    depth: Path | None = None
    """How near everything is, grey, near is white: a picture, or a folder of them in turn."""
    depth_controlnet: str | None = None
    """Depth ControlNet by folder, file or hub id; the model's own when absent."""
    reference_prompt: str | None = None
    """What the reference shows, told in its own pass; the prompt when absent."""
    mask: bool = True
    """Attend to the character alone; else to the whole reference, its ground as well."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("-n", self.count, 1, MOST_PICTURES)
        check_range("--seed", self.seed + self.count - 1, 0, MAX_SEED)
        if not self.prompt and self.pose is None and self.depth is None:
            problem = "neither words nor a pose or depth say what to show"
            remedy = 'give --prompt "...", --pose FILE or --depth FILE'
            raise UsageError("U1", "generate", problem, remedy)
        if self.depth_controlnet is not None and self.depth is None:
            problem = "there is no depth for it to see"
            raise UsageError("U1", "--depth-controlnet", problem, "give --depth FILE as well")
        if not self.mask and is_toon(self.model):
            problem = "the built-in model needs to know where the character is"
            raise UsageError("U1", "--no-mask", problem, "leave it out, or give another --model")
        if self.depth is not None and is_toon(self.model):
            problem = "the built-in model sees no depth"
            raise UsageError("U1", "--depth", problem, "give --model, such as sd15")
        if self.output is not None and not is_folder(self.output):
            problem = f"{self.output} is not a folder"
            raise UsageError("M11", "-o", problem, "give a folder/ for the pictures")

    def clip_changes(self) -> dict[str, object]:
        """Return what the job changes of a model's `ClipSettings`, guidance apart; None keeps.

        Pictures do not see each other. What all of them share, the reference's noise and the
        choices of the guidance, is that of seed 0: their seeds are numbers of frames.
        """
        weight = DRAWN_WEIGHT if is_toon(self.model) else NATURAL_WEIGHT
        changes = super().clip_changes() | {"keep_ground": False}  # words may tell another ground
        return {
            **changes,
            "seed": 0,
            "previous_weight": 0.0,
            "shared_noise": 0.0,
            "reference_weight": weight if self.reference_weight is None else self.reference_weight,
        }

    @property
    def seeds(self) -> range:
        """The number of each picture."""
        return range(self.seed, self.seed + self.count)

    @property
    def named_parts(self) -> dict[str, str | None]:
        """The parts of the model that may be named; that for depth where there is some."""
        depth = {} if self.depth is None else {"depth_controlnet": self.depth_controlnet}
        return {**super().named_parts, **depth}

    @property
    def input_paths(self) -> dict[str, Path | None]:
        """The files that the job reads, by what they are."""
        return {
            "reference": self.reference,
            "pose": self.pose,
            "depth": self.depth,
            "reference pose": self.reference_pose,
            "reference mask": self.reference_mask,
        }

    @property
    def folder(self) -> Path:
        """Where the pictures go."""
        return self.output or Path(f"{self.reference.stem}_pictures")

    def picture(self, seed: int) -> Path:
        """Return the path of a picture."""
        return self.folder / f"{self.reference.stem}.{seed}.png"

    def beside(self, suffix: str) -> Path:
        """Return the path of a companion of the pictures, for example `.json`."""
        return self.folder / f"{self.reference.stem}{suffix}"
