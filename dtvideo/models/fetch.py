"""Bring models from the hub to this machine: the one thing here that asks the network."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dtvideo.errors import ModelError
from dtvideo.models.index import NEEDED, OPTIONAL
from dtvideo.models.sources import hub_cache
from dtvideo.models.weights import is_half

TIMEOUT_SECONDS = 20.0
CONFIGURATION = (".json", ".txt")
PARTS = frozenset((*NEEDED["sdxl"], *OPTIONAL))

OnFile = Callable[[str, int, int], None]
"""(name, files done, files to do)."""


def wanted_files(names: Sequence[str], *, half: bool = True) -> list[str]:
    """Return which files of a hub model are needed here: configuration, and safetensors once.

    half: half-precision files (.fp16) where there are some, else the whole ones. Left out are
    pickles, other programs' formats, whole checkpoints beside a diffusers folder, and parts that
    are not used, such as a safety checker.
    Raises: ModelError M3 when the model has weights, but none as safetensors.
    """
    usable = [name for name in names if _is_used(name, has_parts="model_index.json" in names)]
    weights = [name for name in usable if name.endswith(".safetensors")]
    if not weights:
        raise ModelError(
            "M3", "hub", "has no .safetensors file to use", "choose a model that offers them"
        )
    chosen = [name for folder in _folders(weights) for name in _variant(weights, folder, half)]
    return sorted([name for name in usable if name.endswith(CONFIGURATION)] + chosen)


def fetch(
    hub_id: str,
    *,
    revision: str | None = None,
    half: bool = True,
    endpoint: str | None = None,
    on_file: OnFile | None = None,
) -> Path:
    """Fetch what is needed of a hub model into the hub's cache; return its folder there.

    Files that are there already are not fetched again. endpoint: another address than the hub's.
    Raises: ModelError M1 when the hub cannot be reached or has no such model, M3 as `wanted_files`.
    """
    from huggingface_hub import HfApi, hf_hub_download

    cache = hub_cache()
    try:
        info: Any = HfApi(endpoint=endpoint).model_info(
            hub_id, revision=revision, timeout=TIMEOUT_SECONDS
        )
        names = wanted_files([sibling.rfilename for sibling in info.siblings], half=half)
        for done, name in enumerate(names):
            if on_file is not None:
                on_file(name, done, len(names))
            _check_answers(hub_id, name, commit=info.sha, endpoint=endpoint)
            path = hf_hub_download(
                hub_id,
                name,
                revision=info.sha,
                cache_dir=cache,
                endpoint=endpoint,
                etag_timeout=TIMEOUT_SECONDS,
            )
    except ModelError as error:
        raise ModelError(error.code, hub_id, error.problem, error.remedy) from error
    except Exception as error:  # the client raises its own, httpx's and the system's
        raise _unreachable(hub_id, error) from error
    _remember(cache, hub_id, revision or "main", info.sha)
    if on_file is not None:
        on_file(hub_id, len(names), len(names))
    return Path(path).parents[len(PurePosixPath(names[-1]).parts) - 1]


def _check_answers(hub_id: str, name: str, *, commit: str, endpoint: str | None) -> None:
    """Ask once about a file that is not here yet, so that a hub that is silent is told soon.

    The hub's own client would ask seven times, for six minutes. All other troubles are left to
    it: it knows which pass.
    Raises: ModelError M1 when there is no answer for `TIMEOUT_SECONDS`.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    cached = try_to_load_from_cache(hub_id, name, cache_dir=hub_cache(), revision=commit)
    if isinstance(cached, str):
        return
    url = hf_hub_url(hub_id, name, revision=commit, endpoint=endpoint)
    try:
        get_hf_file_metadata(url, timeout=TIMEOUT_SECONDS)
    except Exception as error:
        if "Timeout" in type(error).__name__:  # httpx or httpx2, by the client's version
            problem = f"the hub has not answered about {name} for {TIMEOUT_SECONDS:g} s"
            remedy = "check the network, or try again later: what is fetched is kept"
            raise ModelError("M1", hub_id, problem, remedy) from error


def _unreachable(hub_id: str, error: Exception) -> ModelError:
    what = " ".join(str(error).split())[:200]
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    remedy = (
        "unset HF_HUB_OFFLINE to fetch"
        if offline
        else "check the name and the network; a model behind a licence needs `hf auth login`"
    )
    return ModelError("M1", hub_id, f"could not be fetched: {type(error).__name__}: {what}", remedy)


def _remember(cache: Path, hub_id: str, revision: str, commit: str) -> None:
    """Write which commit a branch stands for, as the hub's own client does."""
    refs = cache / f"models--{hub_id.replace('/', '--')}" / "refs"
    (refs / revision).parent.mkdir(parents=True, exist_ok=True)
    if revision != commit:
        (refs / revision).write_text(commit, encoding="utf-8")


def _is_used(name: str, *, has_parts: bool) -> bool:
    path = PurePosixPath(name)
    if not name.endswith((".safetensors", *CONFIGURATION)) or path.is_absolute():
        return False
    if ".." in path.parts or len(path.parts) > 2:
        return False
    if len(path.parts) == 2:
        return has_parts and path.parts[0] in PARTS
    return name.endswith(CONFIGURATION) or (
        not has_parts and path.name.startswith("diffusion_pytorch_model")
    )


def _folders(weights: Sequence[str]) -> list[str]:
    return sorted({str(PurePosixPath(name).parent) for name in weights})


def _variant(weights: Sequence[str], folder: str, half: bool) -> list[str]:
    """Return the files of one folder in the precision asked for, or in the one there is."""
    here = [name for name in weights if str(PurePosixPath(name).parent) == folder]
    halves = [name for name in here if is_half(name)]
    wholes = [name for name in here if not is_half(name) and ".non_ema." not in name]
    return (halves or wholes) if half else (wholes or halves)
