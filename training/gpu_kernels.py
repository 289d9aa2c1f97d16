"""Which kernels a CUDA device trains with; what is computed stays the same.

Measured on an H200 with an 8B-shaped Llama, see docs/benchmarks-large.md.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@contextmanager
def attention_of_any_length() -> Iterator[None]:
    """Without cuDNN's attention, torch's first choice on Hopper cards.

    It makes a plan for every new shape of a batch, and dialogues come in ever new lengths: in a
    profile of an 8B model, a call of its backward took 0.7 ms of the CPU's time, a matrix product
    0.04 ms.
    """
    with sdpa_kernel(ATTENTION):
        yield


def can_fuse(model: PreTrainedModel, on_gpu: bool) -> bool:
    """Whether ``fuse_layers`` would change this model there."""
    return on_gpu and model.config.model_type == "llama" and bool(find_spec("liger_kernel"))


def fuse_layers(model: PreTrainedModel) -> bool:
    """A Llama's norms, rotary embeddings and feed-forward blocks by liger-kernel, if installed.

    True if they were changed; rotary embeddings are for every Llama of this process. In PyTorch
    each is a chain of small kernels that move the same numbers several times.
    """
    if not can_fuse(model, model.device.type == "cuda"):
        return False
    # It tells of each kind of accelerator that is not there.
    logging.getLogger("liger_kernel").setLevel(logging.ERROR)
    from liger_kernel.transformers import apply_liger_kernel_to_llama

    # The loss is TRL's fused head's, at learnt positions alone.
    apply_liger_kernel_to_llama(cross_entropy=False, fused_linear_cross_entropy=False, model=model)
    return True
