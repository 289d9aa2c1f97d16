"""A base on the Hub: what of it a check fetches, and one line for each way it can't be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hub_stand_in import COMMIT, HubStandIn
from tests.processes import ROOT
from tests.small_dialogues import made_up, write
from training import finetune

CHECK_EACH = """
import contextlib, io, json, os, sys
from training import finetune
for file in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    os.environ["HF_TOKEN"] = "hf_stand_in" if "token" in file else ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = finetune.main([file, "--check", "--json"])
    print(json.dumps([code, err.getvalue().splitlines(), json.loads(out.getvalue())]))
finetune.main([sys.argv[-1], "--out", sys.argv[-1] + ".run"])
"""

Checked = tuple[int, list[str], dict[str, Any]]
"""Exit code, lines on stderr, report."""


def check_each(folder: Path, hub: HubStandIn, bases: dict[str, dict[str, str]]) -> list[Checked]:
    """What a check says of each of these bases, by name of the config, all in one process; the
    last one is then trained."""
    data = write(folder / "d.jsonl", made_up(6))
    common = {
        "data": str(data), "output": str(folder / "adapter"), "max_length": 256, "epochs": 1,
        "sample_prompts": [],
    }  # fmt: skip
    files = []
    for name, base in bases.items():
        files.append(folder / f"{name}.yaml")
        files[-1].write_text(yaml.safe_dump(common | base))
    environment = {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", CHECK_EACH, *map(str, files)],
        cwd=ROOT, env=os.environ | environment,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[: len(bases)]
    return [tuple(json.loads(line)) for line in lines]


@pytest.fixture
def hub(pair_folders: tuple[Path, Path]) -> Iterator[HubStandIn]:
    with HubStandIn({"some/base": pair_folders[0]}) as server:
        yield server


def test_bases_of_the_hub_are_checked_refused_and_trained(tmp_path: Path, hub: HubStandIn) -> None:
    refused = {
        "meta/gated": f"is gated: accept its terms at {hub.endpoint}/meta/gated and set HF_TOKEN",
        "no/where": f"there is no such model at {hub.endpoint}/no/where, or it is private",
        "no/name": f"there is no such model at {hub.endpoint}/no/name, or it is private",
        "some/moved": "has no revision v9: set revision to a branch or commit of",
        "some/closed": "the token may not read it; a fine-grained one must be allowed",
    }
    with_token = {
        "meta/asked": "is gated, and the token's account has no access: ask for it at",
        "no/name": "the Hub does not know the token; set HF_TOKEN to a valid one",
    }
    bases = {f"config-{n}": {"base": name, "revision": "v9"} for n, name in enumerate(refused)}
    bases |= {f"token-{n}": {"base": name} for n, name in enumerate(with_token)}
    bases |= {"pinned": {"base": "some/base", "revision": COMMIT}}
    bases |= {"moving": {"base": "some/base"}}
    *found, pinned, moving = check_each(tmp_path, hub, bases)
    expected = [*refused.items(), *with_token.items()]
    for (code, lines, report), (name, words) in zip(found, expected, strict=True):
        assert code == 2 and len(lines) == 1, lines
        assert lines[0].startswith(f"training.finetune: base: {name}: {words}"), lines
        assert report["errors"] == [lines[0].removeprefix("training.finetune: ")]
        assert "hf_stand_in" not in lines[0]

    assert (moving[0], pinned[0]) == (0, 0)
    assert not moving[2]["model"]["revision_pinned"] and pinned[2]["model"]["revision_pinned"]
    assert moving[2]["model"]["commit"] == pinned[2]["model"]["commit"] == COMMIT
    moves = f"base: some/base is taken at main, which may change; set revision: {COMMIT}"
    assert moves in moving[2]["warnings"]
    assert not [line for line in pinned[2]["warnings"] if line.startswith("base:")]
    unknown = "licence of the base: not known; see https://huggingface.co/some/base"
    assert unknown in pinned[2]["warnings"]

    record = json.loads((tmp_path / "adapter/training.json").read_text())
    assert record["base_commit"] == COMMIT
    [entry] = yaml.safe_load((tmp_path / "moving.yaml.run/pair.yaml").read_text())["pairs"]
    assert entry["base"] == {"repo": "some/base", "revision": COMMIT}
    weights = [path for path in hub.asked if path.endswith(".safetensors")]
    assert weights and all(f"/resolve/{COMMIT}/" in path for path in weights)


def test_offline_it_is_said_that_the_base_is_not_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "d.jsonl", made_up(6))
    file = tmp_path / "config.yaml"
    settings = {"base": "some/base", "data": str(data), "output": str(tmp_path / "adapter")}
    file.write_text(yaml.safe_dump(settings))
    assert finetune.main([str(file), "--check"]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "some/base: is not on this machine and HF_HUB_OFFLINE is set; unset it, or" in line
