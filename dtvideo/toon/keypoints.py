"""The key-point net for drawn figures, and the pose detector made of it."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from dtvideo.images import Placement, fit_to
from poses.skeleton import BODY18, CORE_JOINTS
from poses.types import BODY_JOINTS, Pose

WEIGHTS = Path(__file__).parent / "weights" / "keypoints"
SURE = 0.3
"""Mean confidence of shoulders, hips and head below which a figure counts as not found, and that
of a joint below which it does: one of five that are told so is where it is."""
CELL = 2
"""Side of a cell of the heat maps, in pixels."""
NEAR = 3
"""How far from a peak, in cells along each axis, the maps still speak for it."""


class KeypointNet(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Body-18 heat maps of one drawn figure.

    An hourglass: down to 1/16, up to half of the picture's side, joined with what came down.
    channels: of the levels from 1/2 to 1/16; depths: residual blocks of each on the way down.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        channels: Sequence[int] = (24, 48, 96, 160),
        depths: Sequence[int] = (1, 1, 2, 4),
        size: int = 128,
    ) -> None:
        super().__init__()
        levels = list(pairwise((3, *channels)))
        self.down = nn.ModuleList(
            _stage(before, after, depth)
            for (before, after), depth in zip(levels, depths, strict=True)
        )
        rising = list(reversed(levels[1:]))
        self.across = nn.ModuleList(nn.Conv2d(low, high, 1) for high, low in rising)
        self.up = nn.ModuleList(_Residual(high) for high, _ in rising)
        self.maps = nn.Conv2d(channels[0], BODY_JOINTS, 1)
        self.presence = nn.Linear(channels[-1], BODY_JOINTS)

    def forward(
        self, pixels: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b 18 hh wh"], Float[Tensor, "b 18"]]:
        """Return heat-map logits at half of the side, and logits of presence.

        pixels: RGB in [-1, 1], sides that 16 divides.
        """
        levels, hidden = [], pixels
        for stage in self.down:
            hidden = stage(hidden)
            levels.append(hidden)
        presence = self.presence(hidden.mean(dim=(2, 3)))
        for across, up, skip in zip(self.across, self.up, levels[-2::-1], strict=True):
            hidden = up(functional.interpolate(across(hidden), scale_factor=2.0) + skip)
        return self.maps(hidden), presence


class _Residual(nn.Module):
    """Two convolutions beside a straight way."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(channels, channels), _convolution(channels, channels)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        changed: Tensor = self.body(hidden)
        return hidden + changed


def _stage(before: int, after: int, depth: int) -> nn.Sequential:
    """Halve the sides, then look at what is there through `depth` residual blocks."""
    blocks = (_Residual(after) for _ in range(depth))
    return nn.Sequential(_convolution(before, after, stride=2), *blocks)


def _convolution(before: int, after: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.GroupNorm(8, after), nn.SiLU()
    )


def to_cells(pixels: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Return where points lie on the heat maps; the centres of pixels and cells are integers."""
    return np.asarray((pixels - (CELL - 1) / 2) / CELL)


def read_heat_maps(
    maps: Float[Tensor, "b j h w"], presence: Float[Tensor, "b j"]
) -> Float[Tensor, "b j 3"]:
    """Return x, y in cells and a confidence in [0, 1] for each joint.

    The place is the top of a parabola through the logits of the peak and its neighbours, which is
    exact for a Gaussian; on the rim it is the peak itself. The confidence is the probability in
    the cells near the peak times that of presence.
    """
    height, width = maps.shape[-2:]
    peak = maps.flatten(2).argmax(dim=-1)
    row, column = peak // width, peak % width
    x = column + _tops_across(maps).flatten(2).gather(2, peak[..., None])[..., 0]
    y = row + _tops_across(maps.mT).mT.flatten(2).gather(2, peak[..., None])[..., 0]
    rows = torch.arange(height, device=maps.device).view(1, 1, -1, 1)
    columns = torch.arange(width, device=maps.device).view(1, 1, 1, -1)
    distance = torch.maximum(
        (rows - row[..., None, None]).abs(), (columns - column[..., None, None]).abs()
    )
    probability = maps.flatten(2).softmax(dim=-1).view_as(maps)
    sure = (probability * (distance <= NEAR)).sum(dim=(2, 3)) * presence.sigmoid()
    return torch.stack([x, y, sure], dim=-1)


def _tops_across(maps: Float[Tensor, "b j h w"]) -> Float[Tensor, "b j h w"]:
    """Return how far right of each cell the top of the parabola through it and its sides is."""
    left, middle, right = maps[..., :-2], maps[..., 1:-1], maps[..., 2:]
    bend = (2 * middle - left - right).clamp(min=1e-6)
    return functional.pad(((right - left) / (2 * bend)).clamp(-0.5, 0.5), (1, 1))


class ToonDetector:
    """Finds the pose of one drawn figure; a `poses.extract.PoseDetector`."""

    name = "toon"
    licence = "Apache-2.0"
    device = "cpu"

    def __init__(self, folder: Path = WEIGHTS) -> None:
        """Load the net; raises ModelError M1 when the weights are not there."""
        from dtvideo.models.components import load_module

        self._net = load_module(KeypointNet, folder, dtype=torch.float32)

    @torch.inference_mode()
    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Pose]:
        """Return the figure's pose, or nothing when the net is not sure of one."""
        canvas, placement = _letterboxed(image, self._net.config.size)
        pixels = torch.from_numpy(canvas).permute(2, 0, 1)[None].float() / 127.5 - 1
        joints = read_heat_maps(*self._from_both_sides(pixels))[0].double().numpy()
        if joints[list(CORE_JOINTS), 2].mean() < SURE:
            return []
        edges = joints[:, :2] * CELL + CELL / 2  # pixels from the canvas's corner
        joints[:, :2] = placement.to_source(edges)
        joints[joints[:, 2] < SURE] = (np.nan, np.nan, 0.0)
        return [Pose(body=joints, size=(image.shape[1], image.shape[0]))]

    def _from_both_sides(
        self, pixels: Float[Tensor, "1 3 h w"]
    ) -> tuple[Float[Tensor, "1 18 hh wh"], Float[Tensor, "1 18"]]:
        """Return the mean of what the net says of a picture and of its mirror image."""
        maps, presence = self._net(torch.cat([pixels, pixels.flip(3)]))
        mirrored = list(BODY18.mirrored)
        maps = (maps[:1] + maps[1:, mirrored].flip(3)) / 2
        return maps, (presence[:1] + presence[1:, mirrored]) / 2


def _letterboxed(
    image: UInt8[np.ndarray, "h w 3"], side: int
) -> tuple[UInt8[np.ndarray, "s s 3"], Placement]:
    """Fit a picture into a square on a ground of its corners' median colour."""
    corners = image[[0, 0, -1, -1], [0, -1, 0, -1]]
    fill = tuple(int(level) for level in np.median(corners, axis=0))
    return fit_to(image, (side, side), fill=fill)
