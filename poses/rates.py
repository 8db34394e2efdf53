"""Frame rates as exact fractions, read from text that somebody else wrote."""

import re
from fractions import Fraction

_WRITTEN = re.compile(r"[+-]?\d{0,30}(?:[./]\d{0,30})?")
_WELL_KNOWN = {
    "23.976": Fraction(24000, 1001),
    "23.98": Fraction(24000, 1001),
    "29.97": Fraction(30000, 1001),
    "59.94": Fraction(60000, 1001),
}


def read_rate(text: str) -> Fraction:
    """Read `25`, `30000/1001` or `29.97`; the well-known decimals become exact fractions.

    Exponents are refused: those of a few letters fill the memory.
    Raises: ValueError when it is no such number, ZeroDivisionError for nothing below the line.
    """
    word = text.strip()
    if not _WRITTEN.fullmatch(word):
        raise ValueError(f"{word[:40]!r} is no rate")
    return _WELL_KNOWN.get(word.rstrip("0")) or Fraction(word)
