"""A CLIP tokenizer of our own vocabulary: every known word is one token, any text is legal."""

from collections.abc import Iterable

from transformers import CLIPTokenizer

MAX_TOKENS = 48
START, END = "<|startoftext|>", "<|endoftext|>"


def build_tokenizer(words: Iterable[str]) -> CLIPTokenizer:
    """Return a tokenizer whose byte pairs were learnt on `words` alone.

    The alphabet is the 256 bytes, so an unknown word falls into bytes instead of failing.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=20_000,
        min_frequency=1,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator(sorted(set(words)), trainer)
    merges = _merges_of(learner)
    symbols = [*alphabet, *(f"{symbol}</w>" for symbol in alphabet)]
    pieces = [*symbols, *("".join(pair) for pair in merges), START, END]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(
        vocab=vocabulary, merges=merges, pad_token=END, model_max_length=MAX_TOKENS
    )


def _merges_of(learner: object) -> list[tuple[str, str]]:
    import json

    model = json.loads(learner.to_str())["model"]  # type: ignore[attr-defined]
    return [
        tuple(pair) if isinstance(pair, list) else tuple(pair.split(" "))
        for pair in model["merges"]
    ]
