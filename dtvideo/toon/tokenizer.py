"""A CLIP tokenizer of our own vocabulary: every known word is one token, any text is legal."""

import json
from collections.abc import Iterable

from transformers import CLIPTokenizer

MAX_TOKENS = 48
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def build_tokenizer(words: Iterable[str]) -> CLIPTokenizer:
    """Return a tokenizer whose byte pairs were learnt on `words` alone.

    The alphabet is the 256 bytes, so an unknown word falls into bytes instead of failing. The
    same words, in any order, give the same tokenizer.
    """
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = [*alphabet, *(symbol + WORD_END for symbol in alphabet)]
    merges = _learn_merges(sorted(set(words)), symbols)
    pieces = [*symbols, *("".join(pair) for pair in merges), START, END]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(
        vocab=vocabulary, merges=merges, pad_token=END, model_max_length=MAX_TOKENS
    )


def _learn_merges(words: list[str], symbols: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of pieces to join, most frequent first.

    Pairs that are equally frequent go by the numbers of their pieces. The trainer numbers letters
    at the end of words in random order, unless they are there before: as special tokens.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=20_000,
        min_frequency=1,
        special_tokens=symbols,
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    learner.train_from_iterator(words, trainer)
    return [(first, second) for first, second in json.loads(learner.to_str())["model"]["merges"]]
