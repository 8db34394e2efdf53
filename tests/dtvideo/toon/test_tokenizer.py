import pytest
from transformers import CLIPTokenizer

from dtvideo.toon.tokenizer import END, MAX_TOKENS, START, build_tokenizer
from dtvideo.toon.world import sample_scene


@pytest.fixture(scope="module")
def words() -> set[str]:
    captions = [sample_scene(seed).caption for seed in range(200)]
    return {word for caption in captions for word in caption.replace(",", " ,").split()}


@pytest.fixture(scope="module")
def tokenizer(words: set[str]) -> CLIPTokenizer:
    return build_tokenizer(words)


def test_every_known_word_is_one_token_alone_and_in_a_caption(words, tokenizer):
    plain = [word for word in words if word.isalpha() or word == ","]
    assert len(plain) > 100
    split = {word: pieces for word in plain if len(pieces := tokenizer.tokenize(word)) != 1}
    assert split == {}
    caption = sample_scene(3).caption
    assert len(tokenizer.tokenize(caption)) == len(caption.replace(",", " ,").split())


@pytest.mark.parametrize(
    "text", ["", "Zyzzyva!", "crème brûlée", "龍 と 少女", "🐉", "a\x00b", "x" * 500]
)
def test_any_text_is_legal_and_fits(tokenizer, text):
    tokens = tokenizer(text, padding="max_length", truncation=True).input_ids
    assert len(tokens) == MAX_TOKENS
    assert tokens[0] == tokenizer.convert_tokens_to_ids(START)
    assert tokenizer.convert_tokens_to_ids(END) in tokens
    assert max(tokens) < len(tokenizer)


def test_different_unknown_words_have_different_tokens(tokenizer):
    assert tokenizer("zyzzyva").input_ids != tokenizer("syzygy").input_ids


def test_the_same_words_in_any_order_give_the_same_tokenizer(words, tokenizer):
    again = build_tokenizer([*sorted(words, reverse=True), *words])
    assert again.get_vocab() == tokenizer.get_vocab()


def test_a_saved_tokenizer_comes_back(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    caption = sample_scene(5).caption + " Zyzzyva"
    assert loaded(caption).input_ids == tokenizer(caption).input_ids
    assert (loaded.model_max_length, loaded.pad_token) == (MAX_TOKENS, END)
