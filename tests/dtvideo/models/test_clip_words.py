import torch

from dtvideo.models.clip_words import clip_tokenizer


def test_words_have_the_numbers_that_clip_gives_them():
    """Of "a photo of a cat", as published with CLIP."""
    tokenizer = clip_tokenizer()
    assert len(tokenizer) == 49408
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer("A Photo  of a CAT").input_ids == tokenizer("a photo of a cat").input_ids


def test_any_text_is_legal_and_can_be_read_back():
    tokenizer = clip_tokenizer()
    for text in ("naïve 日本語 😀", "1girl, (masterpiece:1.2)", ""):
        ids = tokenizer(text).input_ids
        assert tokenizer.unk_token_id not in ids[1:-1]
        said = tokenizer.decode(ids, skip_special_tokens=True)
        assert said.replace(" ", "") == text.replace(" ", "")


def test_short_prompts_are_filled_as_each_encoder_was_trained():
    for part, filling in (("tokenizer", 49407), ("tokenizer_2", 0)):
        ids = clip_tokenizer(part)(
            "a cat", padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        assert ids.shape == (1, 77)
        assert torch.all(ids[0, 4:] == filling)
