"""Numbers for a clip and its truth; every definition needs no weights.

image     one frame against its truth      temporal  how a clip changes from frame to frame
colour    drift of a character's colours   pose      key points against key points
interval  a mean with its uncertainty
"""

from dtvideo.metrics.colour import (
    colour_drift,
    delta_e,
    drift_from_truth,
    drift_per_100_frames,
    mean_lab,
)
from dtvideo.metrics.image import foreground_psnr, l1, l1_per_pixel, psnr, ssim
from dtvideo.metrics.interval import Interval, mean_interval, ratio_interval
from dtvideo.metrics.pose import joint_errors, pck
from dtvideo.metrics.temporal import change_ratio, dtssd, flicker, flicker_ratio

__all__ = [
    "Interval",
    "change_ratio",
    "colour_drift",
    "delta_e",
    "drift_from_truth",
    "drift_per_100_frames",
    "dtssd",
    "flicker",
    "flicker_ratio",
    "foreground_psnr",
    "joint_errors",
    "l1",
    "l1_per_pixel",
    "mean_interval",
    "mean_lab",
    "pck",
    "psnr",
    "ratio_interval",
    "ssim",
]
