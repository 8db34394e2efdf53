"""The subject encoder: a coarse identity of the character, and how the layers look at it."""

from dtvideo.subject.attention import SubjectEncoderAttention, install_subject_attention
from dtvideo.subject.encoder import SubjectEncoder, SubjectLayer, subject_picture

__all__ = [
    "SubjectEncoder",
    "SubjectEncoderAttention",
    "SubjectLayer",
    "install_subject_attention",
    "subject_picture",
]
