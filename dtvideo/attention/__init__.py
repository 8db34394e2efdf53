"""Self-subject attention: what it computes, where it is installed and what it remembers."""

from dtvideo.attention.cache import CachePlan, ReferenceCache, plan_cache
from dtvideo.attention.functional import Source, self_subject_attention
from dtvideo.attention.install import SelfSubjectAttention, install_self_subject_attention
from dtvideo.attention.layers import self_attention_layers

__all__ = [
    "CachePlan",
    "ReferenceCache",
    "SelfSubjectAttention",
    "Source",
    "install_self_subject_attention",
    "plan_cache",
    "self_attention_layers",
    "self_subject_attention",
]
