"""One conversion from the first look at the source to the folder in its place."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import GenerationConfig, LlamaConfig

from mi_arena.jobs.script import BadInput, first_line
from mi_arena.jobs.whole_folder import whole_folder
from training.convert_baichuan2 import check_texts, tokenizer, weights
from training.convert_baichuan2.checkpoint import Checkpoint
from training.convert_baichuan2.config import Config, read_object
from training.convert_baichuan2.folder import (
    FORMAT,
    RECORD,
    check_target,
    commit_of,
    file_sha256,
    stands,
    write_json,
)

GENERATION = "generation_config.json"
SPARE = 64 << 20
"""Bytes for everything beside the weights."""

Progress = Callable[[str, int, int], None]
"""What is done, bytes done so far, and bytes in all."""


@dataclass(frozen=True)
class Options:
    source: Path
    target: Path
    check: Sequence[str] = ()
    dtype: str | None = None
    shard_bytes: int = 2 << 30


def convert(options: Options, config: Config, progress: Progress) -> dict[str, Any]:
    """Convert, or find that it was done. Returns what happened. Raises ``BadInput``."""
    source, target = options.source, options.target.resolve()
    if target == source.resolve() or target.is_relative_to(source.resolve()):
        raise BadInput(f"DST {options.target}: lies in the checkpoint itself; name another folder")
    before = check_target(target, "DST", FORMAT)
    dtype = options.dtype or config.dtype
    generation = generation_config(source / GENERATION)
    original = tokenizer.Original(source / "tokenizer.model")
    llama = LlamaConfig(**config.as_llama(dtype))
    compared = gate(llama, original, options.check)

    checkpoint = Checkpoint(source, config.shape)
    shards = weights.planned(config.shape, dtype, options.shard_bytes)
    out_bytes = weights.bytes_of(shards, dtype)
    inputs = [source / "config.json", original.path, *checkpoint.files]
    inputs += [path for path in (checkpoint.index,) if path]
    inputs += [source / GENERATION] if generation else []
    in_bytes = sum(path.stat().st_size for path in inputs)
    done = 0

    def at(step: str) -> Callable[[int], None]:
        def more(size: int) -> None:
            nonlocal done
            done += size
            progress(step, done, in_bytes + out_bytes)

        return more

    record = {
        "format": FORMAT,
        "made_by": "python -m training.convert_baichuan2",
        "commit": commit_of(source),
        "inputs": {
            path.name: {
                "sha256": file_sha256(path, at("read the checkpoint")),
                "bytes": path.stat().st_size,
            }
            for path in sorted(inputs)
        },
        "dtype": dtype,
        "shard_bytes": options.shard_bytes,
    }
    told: dict[str, Any] = {
        "folder": str(options.target),
        "commit": record["commit"],
        "dtype": dtype,
        "compared": compared,
        "shards": len(shards),
        "bytes": out_bytes,
    }
    if before and stands(target, before) and same(before, record):
        return told | {"written": False}
    room(target, out_bytes)
    with whole_folder(target, lambda path: check_target(path, "DST", FORMAT)) as folder:
        llama.save_pretrained(str(folder))
        tokenizer.write(folder, original)
        if generation:
            write_json(folder / GENERATION, generation)
        weights.write_shards(folder, checkpoint, shards, dtype, at("write the weights"))
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        write_json(folder / RECORD, record | {"compared": compared, "files": files})
    return told | {"written": True}


def same(before: dict[str, Any], record: dict[str, Any]) -> bool:
    """Equal inputs and settings; where the inputs came from makes no difference."""
    return all(before.get(key) == value for key, value in record.items() if key != "commit")


def gate(llama: LlamaConfig, original: tokenizer.Original, check: Sequence[str]) -> dict[str, int]:
    """Compare the tokenizer before anything is written where the user asked for it."""
    with TemporaryDirectory(prefix="mi-arena-tokenizer-") as beside:
        llama.save_pretrained(beside)  # as in the end: the config decides how it is loaded
        tokenizer.write(Path(beside), original)
        return tokenizer.compare(
            Path(beside),
            original,
            check_texts.built_in(),
            check_texts.given(check),
            tokenizer.from_pieces(original),
        )


def generation_config(file: Path) -> dict[str, Any] | None:
    """The original's defaults for generating, as they are; a base model may have none."""
    if not file.is_file():
        return None
    content = read_object(file)
    try:
        GenerationConfig.from_dict(content)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{file}: cannot be used: {first_line(error)}") from None
    return content


def room(target: Path, size: int) -> None:
    """Raises ``BadInput`` where the disk is too full, before hours are spent to find out."""
    there = next(path for path in target.parents if path.exists())
    free = shutil.disk_usage(there).free
    if free < size + SPARE:
        raise BadInput(
            f"DST {target}: needs {(size + SPARE) / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free "
            f"at {there}"
        )
