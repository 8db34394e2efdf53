"""Self-subject attention: what it computes, where it is installed and what it remembers."""

from dtvideo.attention.alignment import Alignment, PoseAlignment, align
from dtvideo.attention.cache import CachePlan, ReferenceCache, plan_cache
from dtvideo.attention.functional import Source, self_subject_attention
from dtvideo.attention.install import SelfSubjectAttention, install_self_subject_attention
from dtvideo.attention.layers import self_attention_layers
from dtvideo.attention.places import PosePlaces, body_places

__all__ = [
    "Alignment",
    "CachePlan",
    "PoseAlignment",
    "PosePlaces",
    "ReferenceCache",
    "SelfSubjectAttention",
    "Source",
    "align",
    "body_places",
    "install_self_subject_attention",
    "plan_cache",
    "self_attention_layers",
    "self_subject_attention",
]
