"""What LoRA training must compute at least, and what a card could; knows no trainer."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from transformers import LlamaConfig, LlamaForCausalLM

DENSE_BF16 = {
    # A100 and A800 datasheets.
    "NVIDIA A100-SXM4-40GB": 312.0,
    "NVIDIA A100-SXM4-80GB": 312.0,
    "NVIDIA A100-PCIE-40GB": 312.0,
    "NVIDIA A100 80GB PCIe": 312.0,
    "NVIDIA A800-SXM4-80GB": 312.0,
    # H100, H200 and GH200 datasheets, whose numbers are with sparsity, halved.
    "NVIDIA H100 80GB HBM3": 989.5,
    "NVIDIA H100 NVL": 835.5,
    "NVIDIA H100 PCIe": 756.5,
    "NVIDIA H200": 989.5,
    "NVIDIA H200 NVL": 835.5,
    "NVIDIA GH200 480GB": 989.5,
    # HGX B200 datasheet, with sparsity, halved.
    "NVIDIA B200": 2250.0,
    # Their datasheets.
    "NVIDIA A10": 125.0,
    "NVIDIA A40": 149.7,
    "NVIDIA L4": 121.0,
    "NVIDIA L40": 181.05,
    "NVIDIA L40S": 362.05,
    # Whitepapers of GA102, Ada and Blackwell, sums in fp32.
    "NVIDIA RTX A6000": 154.8,
    "NVIDIA RTX 6000 Ada Generation": 364.2,
    "NVIDIA GeForce RTX 3090": 71.0,
    "NVIDIA GeForce RTX 4090": 165.2,
    "NVIDIA GeForce RTX 5090": 209.5,
}
"""Peak of bf16 matrix products without sparsity in TFLOP/s, by what CUDA calls the card.

The whole name counts: a laptop's card, a slice of one or another form of it has another peak.
"""


def multiplied_weights(config: LlamaConfig) -> int:
    """Weights that a token is multiplied with: all but input embeddings, which are looked up."""
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    looked_up = 0 if config.tie_word_embeddings else model.get_input_embeddings().weight.numel()
    return model.num_parameters() - looked_up


def model_flops(config: LlamaConfig, lengths: Iterable[int]) -> float:
    """FLOPs of LoRA training, forward and backward, on sequences of these lengths in tokens.

    4 N a token for the N weights: 2 N forward and 2 N backward, to the activations. The 2 N to
    the weights, which make it 6 N in full training (Kaplan et al. 2020, arXiv 2001.08361, 2.1),
    don't fall due, as the base is frozen. Attention has no weights: 12 L d T² for a sequence of T
    in L layers of heads d wide together (Chowdhery et al. 2022, arXiv 2204.02311, appendix B),
    halved because a token sees only those before it (Dao 2023, arXiv 2307.08691, 4.1). The
    adapter, recomputation and padding are not counted.
    """
    lengths = list(lengths)
    width = config.num_attention_heads * config.head_dim
    attention = 6 * config.num_hidden_layers * width * sum(length**2 for length in lengths)
    return 4.0 * multiplied_weights(config) * sum(lengths) + attention
