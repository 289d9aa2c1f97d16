"""What experts coded in the workspace, as the report tells it: by system, paired, agreement."""

from __future__ import annotations

import json
from pathlib import Path

from eval.report.command import main
from tests.workspace.conftest import ANN, BO, code_dialogue, import_match, open_workspace, train


def test_experts_codings_of_matches(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    workspace = open_workspace(data)
    train(workspace.store, ANN, BO)
    for name in ("m1", "m2"):
        import_match(workspace, name)
    for dialogue, material in workspace.ledger.now().dialogues.items():
        for who in (ANN, BO):
            code = "CR" if material.system == "tuned" else "Q"
            code_dialogue(workspace, who, dialogue, {(0, 0): code})
    workspace.close()
    workspace.store.close()

    assert main(["--out", str(out), "--study", str(data), "--lang", "en"]) == 0
    report = json.loads((out / "report.json").read_text())
    (group,) = report["miti_people"]["groups"]
    assert (group["source"], group["dialogues"], group["raters"]) == ("expert", 4, 2)
    by_system = {one["system"]: one["items"] for one in group["systems"]}
    assert (by_system["tuned"]["CR"]["mean"], by_system["base"]["CR"]["mean"]) == (1, 0)
    (difference,) = group["differences"]
    sign = 1 if difference["system"] == "tuned" else -1
    assert difference["matches"] == 2 and difference["items"]["CR"]["mean"] == sign
    (agreed,) = report["agreement"]["groups"]
    assert agreed["items"]["CR"]["icc_a1"]["value"] == 1  # both coded alike, and dialogues differ
    measures = [one["measure"] for one in report["glance"]["lines"]]
    assert "MITI Percent complex reflections (Expert codings)" in measures
    assert any(name.startswith("plots/miti_") for name in report["files"])
