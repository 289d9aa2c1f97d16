"""What a row mask can't express is refused, and so is an adapter of another base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from mi_arena.engine.loading import load_pair
from mi_arena.engine.masked_lora import attach_adapter
from mi_arena.engine.protocol import EngineError
from mi_arena.jobs.script import BadInput
from tests.conftest import make_pair
from tests.small_models import small_adapter, small_base
from training import models


def copy_of(adapter: Path, folder: Path, **config: object) -> Path:
    folder.mkdir()
    settings = json.loads((adapter / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(settings | config))
    (folder / "adapter_model.safetensors").write_bytes(
        (adapter / "adapter_model.safetensors").read_bytes()
    )
    return folder


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"modules_to_save": ["lm_head"]}, "whole modules"),
        ({"peft_type": "IA3"}, "not a LoRA"),
        ({"trainable_token_indices": [1]}, "embeddings"),
    ],
)
def test_other_kinds_of_adapter_are_refused(
    pair_folders: tuple[Path, Path], tmp_path: Path, config: dict[str, object], word: str
) -> None:
    base, adapter = pair_folders
    model = LlamaForCausalLM.from_pretrained(base)
    with pytest.raises(EngineError, match=word):
        attach_adapter(model, copy_of(adapter, tmp_path / "copy", **config))


ANOTHER_BASE = {
    "narrower": ({"width": 32}, "is 32 to 32 in the base but 64 to 64 in the adapter"),
    "shallower": ({"layers": 1}, "the base has no layer model.layers.1."),
    "deeper": ({"layers": 3}, "no weights for 2 of the base's layers, model.layers.2."),
}


@pytest.mark.parametrize("case", ANOTHER_BASE)
def test_an_adapter_of_another_base_is_refused_in_one_line(
    case: str, pair_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """By the arena when it loads the pair, and by the scripts that put an adapter on a base."""
    adapter = small_adapter(tmp_path / "a", pair_folders[0], target_modules=["q_proj", "o_proj"])
    shape, words = ANOTHER_BASE[case]
    other = small_base(tmp_path / "other", **shape)
    with pytest.raises(EngineError) as refused:
        load_pair(make_pair(other, adapter))
    assert str(refused.value).startswith("pair tiny: adapter a: ")
    assert words in str(refused.value)
    with pytest.raises(BadInput) as told:
        models.load_adapter(models.load_base(str(other)), str(adapter))
    assert f"{adapter}: does not fit this base" in str(told.value)
    for line in (str(refused.value), str(told.value)):
        assert "was it tuned on" in line and "\n" not in line


def test_a_weight_that_is_no_lora_matrix_is_refused(
    pair_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = copy_of(pair_folders[1], tmp_path / "copy")
    weights = load_file(folder / "adapter_model.safetensors")
    weights["base_model.model.lm_head.weight"] = torch.zeros(1)
    save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(EngineError, match="not a LoRA matrix"):
        attach_adapter(LlamaForCausalLM.from_pretrained(pair_folders[0]), folder)


def test_alpha_patterns_scale_their_layers(pair_folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Against peft: the same logits with a pattern of alphas and ranks."""
    from peft import PeftModel

    base = pair_folders[0]
    adapter = small_adapter(
        tmp_path / "patterned", base, alpha_pattern={"q_proj": 32}, rank_pattern={"v_proj": 2}
    )
    ours = LlamaForCausalLM.from_pretrained(base).eval()
    mask = attach_adapter(ours, adapter)
    theirs = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base), adapter).eval()
    ids = torch.arange(10, 40).unsqueeze(0)
    mask.set([True])
    with torch.inference_mode():
        assert torch.allclose(ours(input_ids=ids).logits, theirs(input_ids=ids).logits, atol=1e-4)
