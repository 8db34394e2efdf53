"""Which pixels are the subject: from alpha, from a plain ground, or by a network."""

from dtvideo.segmentation.segmenters import SubjectMask, find_mask, separate_figures

__all__ = ["SubjectMask", "find_mask", "separate_figures"]
