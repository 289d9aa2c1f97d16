"""Small tokenizers with the real families' special tokens, made on the spot.

The text part is small: bytes, or bytes and a few Han characters. As in the originals is what the
chat formats stand on: which markers exist, whether they are special, and at which ids.
"""

from __future__ import annotations

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

FAMILY_SPECIALS = {
    "demo": ["<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|client|>", "<|counselor|>"],
    "glm4": [
        "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>",
        "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>",
    ],
    "llama3": [
        "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
        "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    ],
    "chatml": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
}  # fmt: skip

SPLIT = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How GLM-4, Llama-3 and Qwen split text before merging, without their English contractions."""


def byte_level(family: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE that has ids 0–255 for bytes, one merge for a blank line, then markers."""
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    newline, space = "\u010a", "\u0120"  # how byte-level vocabularies write them
    vocab = {piece: number for number, piece in enumerate([*bytes_, newline * 2, space + "a"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[(newline, newline), (space, "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(marker, special=True, normalized=False) for marker in FAMILY_SPECIALS[family]]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def baichuan2(markers: str = "merged") -> PreTrainedTokenizerFast:
    """Pad 0, begin 1, end 2, and ``<reserved_106>`` = 195, ``<reserved_107>`` = 196 as pieces.

    ``markers`` says by which road a tokenizer gets from the typed text to a reserved id:
    ``merged`` by BPE merges, ``unigram`` by a piece of a unigram model, ``added`` by an added token
    that is not special (what a conversion of user-defined pieces may leave).
    """
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(189))]
    pieces += [f"<reserved_{number}>" for number in (103, 104, 105)]  # 192–194
    assert len(pieces) == 195
    pieces += ["<reserved_106>", "<reserved_107>"]
    pieces += [f"<0x{byte:02X}>" for byte in range(189, 256)]
    pieces += list("▁<>_0123456789abcdefghijklmnopqrstuvwxyz我想戒烟你好吗，。")
    merges: list[tuple[str, str]] = []
    if markers == "merged":
        for number in (106, 107):
            whole = f"<reserved_{number}>"
            for end in range(1, len(whole)):
                merges.append((whole[:end], whole[end]))
                pieces.append(whole[: end + 1])
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    if markers == "unigram":
        model = models.Unigram(
            [(piece, 0.0 if piece.startswith("<reserved") else -5.0) for piece in vocab],
            unk_id=0,
            byte_fallback=True,
        )
    else:
        unique = list(dict.fromkeys(merges))
        model = models.BPE(
            vocab=vocab, merges=unique, unk_token="<unk>", byte_fallback=True, fuse_unk=False
        )
    tokenizer = Tokenizer(model)
    if markers == "added":
        tokenizer.add_tokens([AddedToken(f"<reserved_{n}>", normalized=False) for n in (106, 107)])
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def toy(family: str) -> PreTrainedTokenizerFast:
    return baichuan2() if family == "baichuan2" else byte_level(family)
