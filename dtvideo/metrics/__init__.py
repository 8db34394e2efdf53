"""Numbers for a clip and its truth; every definition needs no weights.

image     one frame against its truth      temporal  how a clip changes from frame to frame
colour    drift of a character's colours   pose      key points against key points
interval  a mean with its uncertainty
"""

from dtvideo.metrics.colour import colour_drift, drift_per_100_frames
from dtvideo.metrics.image import foreground_psnr, l1, l1_per_pixel, psnr, ssim
from dtvideo.metrics.interval import Interval, mean_interval
from dtvideo.metrics.pose import joint_errors, pck
from dtvideo.metrics.temporal import dtssd, flicker, flicker_ratio

__all__ = [
    "Interval",
    "colour_drift",
    "drift_per_100_frames",
    "dtssd",
    "flicker",
    "flicker_ratio",
    "foreground_psnr",
    "joint_errors",
    "l1",
    "l1_per_pixel",
    "mean_interval",
    "pck",
    "psnr",
    "ssim",
]
