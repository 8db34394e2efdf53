"""Models on disk: where they lie, whether they are safe to open, and their parts one by one."""

from dtvideo.models.components import load_component, load_module
from dtvideo.models.controlnets import find_controlnet, load_controlnet
from dtvideo.models.index import ModelIndex, read_index
from dtvideo.models.placement import choose_device, choose_dtype
from dtvideo.models.single_file import load_single_file, open_single_file
from dtvideo.models.sources import ModelSource, find_model, toon_folder
from dtvideo.models.weights import check_safetensors, check_weights, weight_files

__all__ = [
    "ModelIndex",
    "ModelSource",
    "check_safetensors",
    "check_weights",
    "choose_device",
    "choose_dtype",
    "find_controlnet",
    "find_model",
    "load_component",
    "load_controlnet",
    "load_module",
    "load_single_file",
    "open_single_file",
    "read_index",
    "toon_folder",
    "weight_files",
]
