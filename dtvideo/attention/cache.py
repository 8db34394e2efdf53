"""What the layers remember of the references: keys and values by role, step and layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from dtvideo.errors import UsageError

Storage = Literal["device", "host", "features", "inputs", "recompute"]
GIBIBYTE = 2**30


@dataclass(frozen=True, eq=False)
class Entry:
    """What one layer keeps of one reference at one step.

    features: its input (batch, tokens, channels), or its key and value (batch, heads, tokens,
    head_dim), without the tokens of weight 0. tokens: how many there were before.
    places: body coordinates of those kept, (*b, tokens, p).
    """

    features: tuple[Tensor, ...]
    weight: float | Tensor
    tokens: int
    places: Tensor | None = None

    @property
    def byte_size(self) -> int:
        return sum(part.numel() * part.element_size() for part in self.features)

    def over_rows(self, rows: int) -> "Entry":
        """Return the entry with each of its rows in the place of as many rows of a larger batch."""
        own = len(self.features[0])
        if own in (1, rows) or rows % own:
            return self

        def repeated(part: Tensor) -> Tensor:
            return part.repeat_interleave(rows // own, dim=0)

        weight, places = self.weight, self.places
        if isinstance(weight, Tensor) and weight.ndim == 2:
            weight = repeated(weight)
        if places is not None and places.ndim == 3:
            places = repeated(places)
        features = tuple(repeated(part) for part in self.features)
        return replace(self, features=features, weight=weight, places=places)


@dataclass(frozen=True, eq=False)
class Page:
    """The entries of one role at one step, by layer, and the latent size they were written at."""

    size: tuple[int, int]
    entries: dict[str, Entry]


class ReferenceCache:
    """Keys and values by role, step and layer.

    storage: "device" keeps keys and values where they were made, "host" in main memory,
    "features" keeps each layer's input in main memory (half the size) and projects it on reading;
    "inputs" does the same where it was made, for training.
    """

    def __init__(self, storage: Storage = "device") -> None:
        self.storage = storage
        self._pages: dict[tuple[str, int], Page] = {}

    def open_page(self, role: str, step: int, *, size: tuple[int, int]) -> None:
        """Begin the features of a role at a step afresh."""
        self._pages[role, step] = Page(size, {})

    def drop_page(self, role: str, step: int) -> None:
        """Forget the features of a role at one step."""
        self._pages.pop((role, step), None)

    def store(self, role: str, step: int, layer: str, entry: Entry) -> None:
        """Keep an entry where `storage` says."""
        if self.storage not in ("device", "inputs"):
            entry = replace(entry, features=tuple(part.cpu() for part in entry.features))
        self._pages[role, step].entries[layer] = entry

    def holds(self, role: str, step: int) -> bool:
        """Tell whether a role was written at a step."""
        return (role, step) in self._pages

    def page(self, role: str, step: int) -> Page:
        """Return what was written for a role at a step.

        Raises: UsageError M11 when nothing was; the message names what there is.
        """
        if (role, step) in self._pages:
            return self._pages[role, step]
        if steps := [found for name, found in self._pages if name == role]:
            raise UsageError(
                "M11", role, f"was not written at step {step}", f"steps written: {sorted(steps)}"
            )
        raise UsageError("M11", role, "was never written", f"roles written: {self.roles}")

    def put(self, role: str, pages: Mapping[int, Page]) -> None:
        """Let a role have pages that another cache of the same layers and storage had, by step."""
        self._pages |= {(role, step): page for step, page in pages.items()}

    def take(self, role: str) -> dict[int, Page]:
        """Return a role's pages by step, and forget them."""
        taken = {step: page for (name, step), page in self._pages.items() if name == role}
        self.reset(role)
        return taken

    @property
    def roles(self) -> list[str]:
        """The roles that have features, sorted."""
        return sorted({role for role, _ in self._pages})

    @property
    def byte_size(self) -> int:
        """Bytes held by all features."""
        pages = self._pages.values()
        return sum(entry.byte_size for page in pages for entry in page.entries.values())

    def reset(self, role: str | None = None) -> None:
        """Forget one role, or everything."""
        self._pages = {
            key: page for key, page in self._pages.items() if role is not None and key[0] != role
        }


@dataclass(frozen=True)
class CachePlan:
    """Where the features of a clip's references are kept, and why."""

    storage: Storage
    needed_bytes: int
    budget_bytes: int

    @property
    def cache_storage(self) -> Storage:
        """How a cache keeps what it is given; what is passed again stays on the device."""
        return "device" if self.storage == "recompute" else self.storage

    def __str__(self) -> str:
        meaning = {
            "device": "keys and values stay on the device",
            "host": "keys and values wait in main memory",
            "features": "layer inputs wait in main memory, projected when read",
            "inputs": "layer inputs stay on the device, projected when read",
            "recompute": "nothing is kept, the reference is passed again at every step",
        }[self.storage]
        needed, budget = self.needed_bytes / GIBIBYTE, self.budget_bytes / GIBIBYTE
        return f"reference features need {needed:.2f} GiB of {budget:.2f} GiB: {meaning}"


def plan_cache(
    step_bytes: int, *, steps: int, device_budget: int, host_budget: int, on_host: bool
) -> CachePlan:
    """Choose the fastest way to keep the reference features of all steps within the budgets.

    step_bytes: keys and values of one step, in bytes; on_host: the device is the host itself,
    so that device memory is main memory.
    """
    needed = step_bytes * steps
    choices: Sequence[tuple[Storage, int, int]] = (
        ("device", needed, host_budget if on_host else device_budget),
        ("host", needed, host_budget),
        ("features", needed // 2, host_budget),
    )
    for storage, size, budget in choices:
        if size <= budget:
            return CachePlan(storage, size, budget)
    return CachePlan("recompute", needed, host_budget)
