"""Models of transformers that look at pictures, tiny and with random weights, as folders."""

from pathlib import Path

import torch
from transformers import (
    BertTokenizerFast,
    BitImageProcessor,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    BlipTextConfig,
    BlipVisionConfig,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2Model,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessor,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from tests.tiny_models import tiny_tokenizer

SIDE = 16
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 8,
}


def write_clip_model(folder: Path) -> Path:
    """Write a CLIP that knows the words of `tiny_tokenizer`."""
    torch.manual_seed(20)
    tokenizer = tiny_tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = CLIPConfig(
        text_config=text.to_dict(),
        vision_config=CLIPVisionConfig(**SMALL).to_dict(),
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor = CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    processor.save_pretrained(folder)
    return folder


def write_dino(folder: Path, *, kind: str = "dinov2") -> Path:
    """Write a DINOv2, or the first DINO, which is a ViT without pooler."""
    torch.manual_seed(21)
    if kind == "dinov2":
        shared = {key: value for key, value in SMALL.items() if key != "intermediate_size"}
        Dinov2Model(Dinov2Config(**shared)).save_pretrained(folder)
        size = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
        BitImageProcessor(**size).save_pretrained(folder)
    else:
        ViTModel(ViTConfig(**SMALL), add_pooling_layer=False).save_pretrained(folder)
        ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def write_depth_model(folder: Path) -> Path:
    """Write a depth estimator that tells nearness."""
    torch.manual_seed(22)
    config = DPTConfig(
        **{**SMALL, "num_hidden_layers": 4},
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        is_hybrid=False,
    )
    DPTForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def write_captioner(folder: Path) -> Path:
    """Write a captioner with a vocabulary of a few words."""
    torch.manual_seed(23)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "red", "blue", "square"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "words.txt").write_text("\n".join(words), encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(folder / "words.txt"))
    text = BlipTextConfig(
        vocab_size=len(words),
        hidden_size=16,
        encoder_hidden_size=16,
        intermediate_size=32,
        projection_dim=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        bos_token_id=5,
        eos_token_id=2,
        sep_token_id=3,
        pad_token_id=0,
    )
    vision = {key: value for key, value in SMALL.items() if key != "patch_size"}
    config = BlipConfig(
        text_config=text.to_dict(),
        vision_config=BlipVisionConfig(**vision, patch_size=8).to_dict(),
        projection_dim=8,
    )
    BlipForConditionalGeneration(config).save_pretrained(folder)
    processor = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    BlipProcessor(processor, tokenizer).save_pretrained(folder)
    return folder
