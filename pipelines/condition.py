"""What a forward is told besides its pose: words, and the character where an encoder is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Condition:
    """Encoded words (rows, tokens, width), and one picture embedding per IP-Adapter.

    beta: how much each row sees of the subject encoder's tokens.
    """

    text: Float[Tensor, "b n d"]
    pictures: tuple[Tensor, ...]
    beta: Float[Tensor, " b"]

    def expand(self, rows: int) -> "Condition":
        """Return one condition for that many rows; it must have one row itself."""
        pictures = tuple(each.expand(rows, *each.shape[1:]) for each in self.pictures)
        return Condition(self.text.expand(rows, -1, -1), pictures, self.beta.expand(rows))


def stack(conditions: Sequence[Condition]) -> Condition:
    """Return the rows of some conditions under one another."""
    pictures = zip(*(each.pictures for each in conditions), strict=True)
    return Condition(
        torch.cat([each.text for each in conditions]),
        tuple(torch.cat(rows) for rows in pictures),
        torch.cat([each.beta for each in conditions]),
    )
