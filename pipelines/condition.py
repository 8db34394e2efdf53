"""What a forward is told besides its pose: words, and the character where an encoder is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Words:
    """Encoded words (rows, tokens, width).

    added: what an SDXL model is told besides, by diffusers' names: `text_embeds` (rows, width),
    the words as a whole, and `time_ids` (rows, 6), sizes and crop of the picture.
    """

    text: Float[Tensor, "b n d"]
    added: Mapping[str, Float[Tensor, "b _"]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Condition:
    """Words, and one picture embedding per IP-Adapter.

    beta: how much each row sees of the subject encoder's tokens.
    """

    words: Words
    pictures: tuple[Tensor, ...]
    beta: Float[Tensor, " b"]

    @property
    def text(self) -> Float[Tensor, "b n d"]:
        """The encoded words, token by token."""
        return self.words.text

    @property
    def added(self) -> Mapping[str, Tensor]:
        """What an SDXL model is told besides."""
        return self.words.added

    def expand(self, rows: int) -> "Condition":
        """Return one condition for that many rows; it must have one row itself."""
        pictures = tuple(each.expand(rows, *each.shape[1:]) for each in self.pictures)
        added = {name: each.expand(rows, -1) for name, each in self.added.items()}
        words = Words(self.text.expand(rows, -1, -1), added)
        return Condition(words, pictures, self.beta.expand(rows))


def stack(conditions: Sequence[Condition]) -> Condition:
    """Return the rows of some conditions under one another."""
    pictures = zip(*(each.pictures for each in conditions), strict=True)
    added = {
        name: torch.cat([each.added[name] for each in conditions]) for name in conditions[0].added
    }
    return Condition(
        Words(torch.cat([each.text for each in conditions]), added),
        tuple(torch.cat(rows) for rows in pictures),
        torch.cat([each.beta for each in conditions]),
    )
