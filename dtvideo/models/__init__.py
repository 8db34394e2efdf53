"""Models on disk: where they lie, whether they are safe to open, and their parts one by one."""

from dtvideo.models.components import load_component, load_module
from dtvideo.models.index import ModelIndex, read_index
from dtvideo.models.sources import ModelSource, find_model, toon_folder
from dtvideo.models.weights import check_safetensors, check_weights, weight_files

__all__ = [
    "ModelIndex",
    "ModelSource",
    "check_safetensors",
    "check_weights",
    "find_model",
    "load_component",
    "load_module",
    "read_index",
    "toon_folder",
    "weight_files",
]
