"""The targets of a batch of lessons, whole or as windows that hold some of the figure."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor

from dtvideo.attention.places import Places
from dtvideo.errors import UsageError
from dtvideo.toon.lessons import Lessons
from dtvideo.toon.model import ATTENTION_STRIDES

WINDOW_MULTIPLE = 16
"""Windows begin at multiples of so many pixels: on whole cells of every layer of the toon model."""


@dataclass(frozen=True, eq=False)
class Targets:
    """What is to be made, n pictures, and the frame before each.

    side: of the whole picture in pixels. corners: row and column in it where each one's window
    begins; None where everything is whole.
    """

    frame: Float[Tensor, "n c h w"]
    coarse: Float[Tensor, "n c h w"]
    before: Float[Tensor, "n c h w"]
    frame_map: UInt8[Tensor, "n 3 ph pw"]
    before_map: UInt8[Tensor, "n 3 ph pw"]
    mask: Float[Tensor, "n ph pw"]
    frame_places: Float[Tensor, "n cells 3"]
    before_places: Float[Tensor, "n cells 3"]
    side: int
    corners: Int[Tensor, "n 2"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in latents."""
        height, width = self.frame.shape[-2:]
        return height, width

    def window(self, side: int, corners: Int[Tensor, "n 2"]) -> "Targets":
        """Return the windows of `side` pixels that begin at these rows and columns."""

        def cut(pictures: Tensor) -> Tensor:
            return cut_windows(pictures, corners, side=side, whole=self.side)

        return replace(
            self,
            frame=cut(self.frame),
            coarse=cut(self.coarse),
            before=cut(self.before),
            frame_map=cut(self.frame_map),
            before_map=cut(self.before_map),
            mask=cut(self.mask),
            corners=corners,
        )

    def places(self, cells: Float[Tensor, "n cells 3"]) -> Places:
        """Return where on the body each cell of the targets is, of those of the whole pictures."""
        places = LayerPlaces(cells, self.side)
        return places if self.corners is None else WindowPlaces(places, self.corners, self)


@dataclass(frozen=True, eq=False)
class LayerPlaces:
    """The body coordinates of the tokens of all layers, of square pictures of `side` pixels."""

    cells: Float[Tensor, "n cells 3"]
    side: int

    def __call__(self, grid: tuple[int, int]) -> Float[Tensor, "n tokens 3"]:
        """Return the coordinates of every token of a layer's grid."""
        first = 0
        for stride in ATTENTION_STRIDES:
            count = self.side // stride
            if grid == (count, count):
                return self.cells[:, first : first + count**2]
            first += count**2
        raise UsageError("M11", "grid", f"is {grid}", "give that of a layer with self-attention")


@dataclass(frozen=True, eq=False)
class WindowPlaces:
    """The body coordinates of windows: those of the whole pictures, cut out."""

    whole: Places
    corners: Int[Tensor, "n 2"]
    targets: Targets

    def __call__(self, grid: tuple[int, int]) -> Float[Tensor, "n cells 3"]:
        """Return the coordinates of every cell of the windows' grid."""
        window = self.targets.mask.shape[-1]
        rows, columns = (count * self.targets.side // window for count in grid)
        cells = self.whole((rows, columns)).movedim(1, -1).reshape(-1, 3, rows, columns)
        cut = cut_windows(cells, self.corners, side=window, whole=self.targets.side)
        return cut.flatten(2).movedim(1, 2)


def targets_of(batch: Lessons) -> Targets:
    """Return the targets of all lessons, whole: those of the first lesson, of the second, ..."""
    return Targets(
        frame=batch.frames.flatten(0, 1),
        coarse=batch.coarse.flatten(0, 1),
        before=batch.before.flatten(0, 1),
        frame_map=batch.frame_maps.flatten(0, 1),
        before_map=batch.before_maps.flatten(0, 1),
        mask=batch.frame_masks.flatten(0, 1),
        frame_places=batch.frame_places.flatten(0, 1),
        before_places=batch.before_places.flatten(0, 1),
        side=batch.frame_masks.shape[-1],
    )


def cut_windows(
    pictures: Shaped[Tensor, "n *c h w"], corners: Int[Tensor, "n 2"], *, side: int, whole: int
) -> Shaped[Tensor, "n *c s s"]:
    """Cut a window out of each picture; its corner and side in parts of a picture of `whole`."""
    height, width = pictures.shape[-2:]
    rows, columns = side * height // whole, side * width // whole
    return torch.stack(
        [
            picture[..., top * height // whole :, left * width // whole :][..., :rows, :columns]
            for picture, (top, left) in zip(pictures, corners.tolist(), strict=True)
        ]
    )


def draw_corners(
    masks: Float[Tensor, "n h w"], side: int, generator: torch.Generator
) -> Int[Tensor, "n 2"]:
    """Draw where a window of `side` pixels begins so that it holds a random pixel of the figure.

    A picture without a figure gets any window.
    """
    height, width = masks.shape[-2:]
    figures = masks.flatten(1).cpu()
    figures = torch.where(figures.amax(dim=1, keepdim=True) > 0, figures, 1.0)
    held = torch.multinomial(figures, 1, generator=generator).squeeze(1)
    pixel = torch.stack([held // width, held % width], dim=1)
    # Rounding down moves a window by less than a multiple; it must not lose the pixel.
    before = torch.randint(side - WINDOW_MULTIPLE + 1, pixel.shape, generator=generator)
    limits = torch.tensor([height - side, width - side])
    corners = torch.minimum((pixel - before).clamp(min=0), limits)
    return corners // WINDOW_MULTIPLE * WINDOW_MULTIPLE
