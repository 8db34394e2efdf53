"""What lies behind the character in the result: its own picture, the driver, a colour, nothing.

The character is told from the ground by two things that are known of every frame: where its limbs
must be (the puppet's silhouette) and what the ground looks like without it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from dtvideo.images import Placement, fit_to
from dtvideo.puppet import Puppet
from pipelines.job import Colour
from pipelines.prepare import Reference
from poses.types import Pose

ALIKE, DIFFERENT = 8.0, 32.0
"""Mean difference from the ground, of 255, up to which a pixel within the puppet's silhouette is
ground, and from which on it is the character's."""
FAINT, STRONG = 48.0, 96.0
"""The same beyond the silhouette, where models leave faint rims around figures."""
REACH = 0.05
"""How far the character may stand out of the puppet's silhouette, in picture sides."""

PAPER = 230

Picture = UInt8[np.ndarray, "h w 3"]
Plate = UInt8[np.ndarray, "plate_h plate_w 3"]
Matte = Float32[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Backdrop:
    """Lays the character of each frame over what was asked for."""

    kind: str | Colour
    puppet: Puppet

    @classmethod
    def prepare(cls, kind: str | Colour, reference: Reference) -> "Backdrop":
        """Learn the ground and the silhouette from the reference."""
        return cls(kind, reference.puppet)

    def lay(self, frame: Picture, pose: Pose, driving: Plate | None) -> UInt8[np.ndarray, "h w c"]:
        """Return the frame over the backdrop; RGBA with straight alpha when it is transparent."""
        if self.kind == "reference":
            return frame
        matte = self.matte(frame, pose)
        if self.kind == "alpha":
            colours = without_ground(frame, self.puppet.ground, matte)
            return np.dstack([colours, np.round(matte * 255).astype(np.uint8)])
        plate = self._plate(frame.shape, driving)
        return exchanged(frame, matte, ground=self.puppet.ground, plate=plate)

    def matte(self, frame: Picture, pose: Pose) -> Matte:
        """Return how much each pixel is the character's, 0 to 1."""
        silhouette = self.puppet.pose(pose)[..., 3].astype(np.float32) / 255
        near = cv2.dilate(silhouette, _disc(REACH, frame.shape))
        core = cv2.erode(silhouette, _disc(REACH / 4, frame.shape))
        distance = np.abs(frame.astype(np.float32) - self.puppet.ground).mean(axis=2)
        within = ((distance - ALIKE) / (DIFFERENT - ALIKE)).clip(0, 1)
        beyond = ((distance - FAINT) / (STRONG - FAINT)).clip(0, 1)
        different = silhouette * within + (1 - silhouette) * near * beyond
        soft: Matte = cv2.GaussianBlur(np.maximum(different, core), (3, 3), 0)
        return soft.clip(0, 1)

    def _plate(self, shape: tuple[int, ...], driving: Plate | None) -> Picture:
        if self.kind == "driver":
            assert driving is not None
            return filled(driving, (shape[1], shape[0]))
        return np.full(shape, self.kind, np.uint8)


def exchanged(frame: Picture, matte: Matte, *, ground: Picture, plate: Picture) -> Picture:
    """Return the frame with a plate instead of its ground, wherever the matte lets it through.

    A soft edge holds its share of the ground; exactly that share is exchanged, so no rim stays.
    """
    through = (1 - matte)[..., None]
    mixed = frame + through * (plate.astype(np.float32) - ground)
    return to_picture(mixed)


def without_ground(frame: Picture, ground: Picture, matte: Matte) -> Picture:
    """Return the character's own colours: the frame with the ground's share taken out."""
    weight = np.maximum(matte, 1 / 255)[..., None]
    return to_picture((frame - (1 - weight) * ground) / weight)


def to_picture(values: Float[np.ndarray, "h w 3"]) -> Picture:
    """Round to 8 bits, within range."""
    picture: Picture = np.round(values).clip(0, 255).astype(np.uint8)
    return picture


def opaque(frame: UInt8[np.ndarray, "h w c"]) -> Picture:
    """Return a frame for the eye: transparent parts over a light grey."""
    if frame.shape[2] == 3:
        return frame
    weight = frame[..., 3:].astype(np.float32) / 255
    return to_picture(frame[..., :3] * weight + PAPER * (1 - weight))


def filled(picture: Plate, size: tuple[int, int]) -> Picture:
    """Cut the middle of a picture to the shape of (width, height) and scale it to that size."""
    height, width = picture.shape[:2]
    scale = min(width / size[0], height / size[1])
    wide, tall = round(size[0] * scale), round(size[1] * scale)
    left, top = (width - wide) // 2, (height - tall) // 2
    return fit_to(picture[top : top + tall, left : left + wide], size)[0]


def filling(source_size: tuple[int, int], size: tuple[int, int]) -> Placement:
    """Return where `filled` puts a picture of one (width, height) in one of another."""
    scale = max(size[0] / source_size[0], size[1] / source_size[1])
    fitted = round(source_size[0] * scale), round(source_size[1] * scale)
    offset = (size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2
    return Placement(source_size, size, fitted, offset)


def _disc(share: float, shape: tuple[int, ...]) -> UInt8[np.ndarray, "k k"]:
    side = 2 * max(1, round(share * min(shape[:2]))) + 1
    disc: np.ndarray = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return disc
