"""The tokenizers of CLIP, for checkpoints that come without one.

The byte pairs are OpenAI's (MIT, see NOTICE); the vocabulary follows from them.
"""

import gzip
from pathlib import Path

from transformers import CLIPTokenizer

MERGES = Path(__file__).with_name("clip_merges.txt.gz")
START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
MAX_TOKENS = 77
PADDING = {"tokenizer": END, "tokenizer_2": "!"}
"""What fills a short prompt; OpenCLIP, the second encoder of SDXL, takes token 0."""


def clip_tokenizer(part: str = "tokenizer") -> CLIPTokenizer:
    """Return the tokenizer of a part of a model, `tokenizer` or `tokenizer_2`."""
    with gzip.open(MERGES, "rt", encoding="utf-8") as file:
        merges = [(first, second) for first, second in map(str.split, file)]
    letters = _byte_letters()
    pieces = [
        *letters,
        *(letter + WORD_END for letter in letters),
        *(first + second for first, second in merges),
        *(START, END),
    ]
    return CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)},
        merges=merges,
        pad_token=PADDING[part],
        model_max_length=MAX_TOKENS,
    )


def _byte_letters() -> list[str]:
    """Return a visible letter for each byte, in CLIP's order: those that are visible come first."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    visible += range(ord("®"), ord("ÿ") + 1)
    hidden = 256 - len(visible)
    return [chr(number) for number in (*visible, *range(256, 256 + hidden))]
