"""How a subject encoder is trained: the settings of `pipelines.train_encoder`."""

from dataclasses import dataclass, field

from dtvideo.errors import UsageError
from dtvideo.training.steps import OptimiserSettings


@dataclass(frozen=True)
class SmallTower:
    """A vision tower of our own, trained with the encoder where no CLIP is given."""

    side: int = 64
    """Of its pictures, in pixels."""
    patch: int = 8
    width: int = 96
    depth: int = 4
    heads: int = 3


@dataclass(frozen=True)
class EncoderTraining:
    """How an encoder is trained; shares are of the pictures."""

    model: str = "toon"
    """The model that the encoder is for, as `animate --model` takes it."""
    tower: str = ""
    """Folder of a CLIP vision tower of transformers, frozen; empty trains `small_tower`."""
    small_tower: SmallTower = field(default_factory=SmallTower)
    blocks: int = 2
    """Residual blocks behind the tower."""
    pictures: str = ""
    """Folder of pictures or clips with captions and depth, or of WebDataset shards; empty draws."""
    depth_model: str = ""
    """Depth estimator of transformers, for pictures without depth: a folder or a fetched hub id."""
    captioner: str = ""
    """Captioner of transformers, for pictures without words: a folder or a fetched hub id."""
    layout_model: str = ""
    """Depth ControlNet by folder, file or hub id, frozen; empty trains one."""
    layout: bool = True
    """Tell the model the layout; without it the encoder learns to copy that as well."""
    layout_optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(
            steps=200, learning_rate=5e-4, warmup=20, checkpoint_every=50, log_every=10
        )
    )
    optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(
            steps=4000, learning_rate=2e-3, checkpoint_every=250
        )
    )
    tower_rate: float = 0.1
    """Learning rate of tower and residual blocks, as a share of the attention's."""
    colour_weight: float = 0.5
    """Weight of the error with which the tokens of `small_tower` tell the subject's colours."""
    figure_weight: float = 5.0
    """Weight of a latent of the subject; one of the ground counts 1."""
    seed: int = 0
    size: int = 128
    """Side of the pictures, in pixels."""
    window: int = 64
    """Side of the windows on the subject that are learnt of each picture; 0: the whole."""
    batch: int = 8
    no_subject: float = 0.05
    no_text: float = 0.05
    neither: float = 0.05
    """Without subject and text: what the negative prompt of the guidance is."""
    sheet_every: int = 500
    """Steps between sheets of sample pictures."""

    def __post_init__(self) -> None:
        shares = (self.no_subject, self.no_text, self.neither)
        if min(shares) < 0 or sum(shares) > 1:
            raise UsageError(
                "M11", "shares", f"are {shares}", "give three that add up to 1 at most"
            )
        for name in ("batch", "sheet_every"):
            if getattr(self, name) < 1:
                raise UsageError("M11", name, f"is {getattr(self, name)}", "give at least 1")
