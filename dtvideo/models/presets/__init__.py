"""Models known by a short name: where each lies on the hub, under which licence, how large.

A preset is a JSON file here. No hash is written down that was not seen: `dtvideo models verify`
compares files with the number of parameters, and with the hashes that the hub itself gave.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dtvideo.models.index import Family

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Preset:
    """A model, its pose ControlNet and its autoencoder, by hub ids.

    layout: the family, whose architecture lies in `dtvideo/models/layouts`.
    vae: instead of the model's own, None to keep that. scheduler: class and settings that differ
    from the model's own, None to keep those. side: of the pictures it was trained on, in pixels.
    licences: by part, as the hub names them. parameters: how many numbers each part has.
    """

    name: str
    title: str
    layout: Family
    model: str
    controlnet: str
    vae: str | None
    scheduler: Mapping[str, Any] | None
    side: int
    licences: Mapping[str, str]
    parameters: Mapping[str, int]

    @property
    def hub_ids(self) -> Mapping[str, str]:
        """The hub ids to fetch, by part."""
        ids = {"model": self.model, "controlnet": self.controlnet, "vae": self.vae}
        return {part: hub_id for part, hub_id in ids.items() if hub_id is not None}

    @property
    def half_bytes(self) -> int:
        """Size of all weights in half precision."""
        return 2 * sum(self.parameters.values())


@cache
def presets() -> Mapping[str, Preset]:
    """Return all presets by name."""
    files = sorted(FOLDER.glob("*.json"))
    return {
        path.stem: Preset(name=path.stem, **json.loads(path.read_text(encoding="utf-8")))
        for path in files
    }
