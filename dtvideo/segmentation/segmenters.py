"""Find the subject of a picture: the most reliable way first, each result checked."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from dtvideo.errors import ModelError
from dtvideo.images import LoadedImage
from dtvideo.segmentation.masks import (
    PLAIN_SHARE,
    Mask,
    edge_coverage,
    fill_holes,
    fit_ground,
    follow_shade,
    largest_part,
    main_part,
    off_ground,
    parts_of,
)
from poses.backends.quiet import quiet
from poses.errors import DetectorError
from poses.requirement import require

LEAST_SHARE = 0.02
MOST_SHARE = 0.90
SPECK_SHARE = 0.01
BRIDGED = 64  # parts of a figure lie closer than 1/32 of the shorter side
FIGURE_AREA = 0.25  # of the largest figure, where several stand apart
FIGURE_HEIGHT = 0.5
CUSTOM_MODEL = "dis_custom"

Way = Callable[[LoadedImage], Mask | None]


@dataclass(frozen=True, eq=False)
class SubjectMask:
    """Where the subject is: 1 on it, 0 off it; how that was found; what to know about it."""

    mask: Mask
    method: str
    notices: tuple[str, ...] = ()


def find_mask(image: LoadedImage, *, matte: str | None = None) -> SubjectMask:
    """Find the subject: by alpha, else by a plain ground at the border, else by MediaPipe.

    A mask of less than 2 % or more than 90 % of the picture is rejected and the next way
    tried; if all fail, the whole picture is the subject, with a notice. matte: use rembg, with
    this model name or ONNX file, instead of the plain ground and MediaPipe.
    Raises: ModelError M1 when rembg is asked for and missing, or its file is; DetectorError M1 when
    MediaPipe is needed and missing.
    """
    notices: list[str] = []
    for method, way in _ways(matte):
        mask = way(image)
        if mask is None:
            continue
        share = float(mask.mean())
        if LEAST_SHARE <= share <= MOST_SHARE:
            return SubjectMask(mask, method, tuple(notices))
        notices.append(f"the mask by {method} covers {share:.1%} of the picture; not used")
    notices.append("the subject was not found; the whole picture is used, ground and all")
    whole = np.ones(image.rgb.shape[:2], np.float32)
    return SubjectMask(whole, "whole picture", tuple(notices))


def separate_figures(image: LoadedImage) -> tuple[Bool[np.ndarray, "h w"], ...]:
    """Return what stands apart on a transparent or plain ground, the largest first.

    A part counts that has a quarter of the largest one's area and half of its height. Nothing is
    returned for other grounds.
    """
    if image.alpha is not None:
        solid = image.alpha > 127
    elif (ground := fit_ground(image.rgb)).share >= PLAIN_SHARE:
        solid = off_ground(image.rgb, follow_shade(image.rgb, ground))
    else:
        return ()
    parts = parts_of(solid, bridging=min(solid.shape) // BRIDGED)
    heights = [np.count_nonzero(part.any(axis=1)) for part in parts]
    return tuple(
        part
        for part, height in zip(parts, heights, strict=True)
        if part.sum() >= FIGURE_AREA * parts[0].sum() and height >= FIGURE_HEIGHT * heights[0]
    )


def alpha_mask(image: LoadedImage) -> Mask | None:
    """Return the picture's own alpha, or None."""
    return None if image.alpha is None else image.alpha.astype(np.float32) / 255


def border_mask(image: LoadedImage) -> Mask | None:
    """Return what stands on a plain or smoothly shaded ground; None without such a border.

    95 % of the border must be one colour or a smooth gradient.
    """
    ground = fit_ground(image.rgb)
    if ground.share < PLAIN_SHARE:
        return None
    ground = follow_shade(image.rgb, ground)
    gap = min(image.rgb.shape[:2]) // BRIDGED
    figure = largest_part(off_ground(image.rgb, ground), bridging=gap)
    return edge_coverage(image.rgb, ground, fill_holes(figure, up_to=SPECK_SHARE))


def pose_mask(image: LoadedImage) -> Mask | None:
    """Return MediaPipe's mask of the person whose pose it finds, or None."""
    with quiet():
        pose = _mediapipe().solutions.pose
        with pose.Pose(static_image_mode=True, enable_segmentation=True) as network:
            found = _run(network, image.rgb).segmentation_mask
    return None if found is None else main_part(np.array(found, np.float32).clip(0, 1))


def selfie_mask(image: LoadedImage) -> Mask:
    """Return MediaPipe's mask of any person near the camera."""
    with quiet():
        package = _mediapipe()
        with package.solutions.selfie_segmentation.SelfieSegmentation(0) as network:
            found = _run(network, image.rgb).segmentation_mask
    return main_part(np.array(found, np.float32).clip(0, 1))


def _mediapipe() -> Any:
    install = "mediapipe==0.10.14"
    return require("mediapipe", subject="mask", install=install, error=DetectorError)


def rembg_mask(image: LoadedImage, model: str) -> Mask:
    """Return rembg's mask by a model of its list, or by an ONNX file of the IS-Net kind.

    Raises: ModelError M1 when rembg, or the file, is missing.
    """
    if model.endswith(".onnx") and not Path(model).is_file():
        raise ModelError("M1", model, "no such file", "give the path of an ONNX model")
    rembg = require("rembg", subject="--matte", install="'dtvideo[matte]'", error=ModelError)
    session = (
        rembg.new_session(CUSTOM_MODEL, model_path=model)
        if model.endswith(".onnx")
        else rembg.new_session(model)
    )
    found = rembg.remove(image.rgb, session=session, only_mask=True)
    return np.asarray(found, np.float32).reshape(image.rgb.shape[:2]) / 255


_FREE_WAYS: MappingProxyType[str, Way] = MappingProxyType(
    {"mediapipe pose": pose_mask, "mediapipe selfie": selfie_mask}
)


def _ways(matte: str | None) -> Iterator[tuple[str, Way]]:
    yield "alpha", alpha_mask
    if matte is not None:
        yield f"rembg {Path(matte).name}", lambda image: rembg_mask(image, matte)
        return
    yield "border colour", border_mask
    yield from _FREE_WAYS.items()


def _run(network: Any, rgb: UInt8[np.ndarray, "h w 3"]) -> Any:
    """Run a MediaPipe network, which warns at every call."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "SymbolDatabase", UserWarning)
        return network.process(np.ascontiguousarray(rgb))
