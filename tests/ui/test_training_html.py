"""What a fine-tune tells on its page, rendered from what the scripts really write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mi_arena.jobs.viewing import RunView, view_run
from mi_arena.ui.pipeline.check_html import check_html
from mi_arena.ui.pipeline.loss_plot import loss_figure, series, smoothed
from mi_arena.ui.pipeline.training_html import comparison_html, training_html
from mi_arena.ui.texts import LANGS, Lang

METRICS = [
    {"step": 0, "epoch": 0, "validation_loss": 5.0},
    {
        "step": 5,
        "loss": 4.5,
        "learning_rate": 0.001,
        "tokens_per_second": 321.0,
        "memory_bytes": 2e9,
    },
    {"step": 10, "epoch": 1, "train_loss": 4.4, "validation_loss": 4.25},
    {"cost_usd": 1.0},
    {"step": 20, "epoch": 2, "train_loss": 4.0, "validation_loss": 4.75},
]
MEMORY = {"parts": {"weights": 1e9, "overhead": 2e9}, "needed_bytes": 3e9, "weights_bytes": 1e9}
REPORT = {
    "ok": True,
    "errors": [],
    "warnings": ["data: 7 <b>dialogues</b> are few"],
    "data": {
        "train": 7, "validation": 1, "tokens": 4000, "target_tokens": 1800, "padding_share": 0.125,
        "cut": 1, "rounds_cut": 2,
        "lengths": {"median": 100, "p90": 200, "p99": 300, "max": 400},
        "longest": [{"id": "one", "tokens": 400, "rounds_cut": 2}],
        "histogram": [{"from": 0, "to": 16, "count": 3}, {"from": 16, "to": 32, "count": 1}],
    },
    "steps": {"epochs": 2, "per_epoch": 3, "total": 6, "evaluations": 3, "dialogues_per_step": 4},
    "model": {"parameters": 17000000, "trainable": 450000, "context": 1024, "licence": None},
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunView:
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "status.json").write_text('{"state": "done", "step": 20, "total": 20}')
    lines = [json.dumps(record) for record in METRICS] + ['{"step": 25, "lo']
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    samples = [
        {"step": step, "prompt": "我想戒烟。", "reply": f"<i>{step}</i>"} for step in (0, 10, 20)
    ]
    text = "\n".join(json.dumps(one) for one in samples) + '\n{"step"'
    (folder / "samples.jsonl").write_text(text)
    (folder / "config.yaml").write_text("rank: 8\nepochs: 2\noutput: here\n")
    found = view_run(tmp_path, folder)
    assert found is not None
    return found


@pytest.mark.parametrize("lang", LANGS)
def test_numbers_losses_and_samples(run: RunView, lang: Lang) -> None:
    html = training_html(run, lang)
    for told in ("4.5000", "1.00e-03", "321", "2.00 GB", "4.2500 (-0.7500", "4.4000"):
        assert told in html
    assert html.count("<strong>") == 1  # the best of the epochs
    assert "<i>" not in html and html.index("&lt;i&gt;20") < html.index("&lt;i&gt;0&lt;")


@pytest.mark.parametrize("lang", LANGS)
def test_a_check_with_memory_known_and_unknown(lang: Lang) -> None:
    here = MEMORY | {"device": "cpu", "available_bytes": 4e9, "total_bytes": 8e9, "fits": True}
    html = check_html(REPORT | {"memory": here}, lang)
    assert 'value="0.7500"' in html and "3.00" in html and "12.5%" in html
    assert "<b>" not in html and "&lt;b&gt;" in html
    unknown = dict.fromkeys(("device", "available_bytes", "total_bytes", "fits"))
    html = check_html(REPORT | {"memory": MEMORY | unknown}, lang)
    assert "<meter" not in html and "3.00" in html


def test_curves_hold_what_was_measured(run: RunView) -> None:
    figure = loss_figure({"first": METRICS}, "zh")
    assert figure is not None
    raw, smooth, validation, rate = figure.data
    assert list(raw.x) == [5.0] and list(smooth.y) == [4.5] and list(rate.y) == [0.001]
    assert list(validation.x) == [0.0, 10.0, 20.0] and list(validation.y) == [5.0, 4.25, 4.75]
    assert loss_figure({"nothing": [{"cost_usd": 1.0}]}, "zh") is None
    two = loss_figure({"first": METRICS, "second": METRICS}, "en")
    assert two is not None
    names = {trace.name.partition(" ")[0] for trace in two.data}
    assert names == {"first", "second"} and len(two.data) == 6


def test_smoothing_is_a_mean_without_bias() -> None:
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert smoothed([1.0, 3.0], 0.5) == pytest.approx([1.0, (0.25 * 1 + 0.5 * 3) / 0.75])
    assert smoothed([4.0, 5.0], 0.0) == [4.0, 5.0] and smoothed([]) == []


def test_long_series_are_thinned_and_keep_their_end() -> None:
    records = [{"step": step, "loss": 1.0 / (step + 1)} for step in range(25_001)]
    steps, losses = series(records, "loss")
    assert len(steps) < 1_100 and steps[0] == 0 and steps[-1] == 25_000
    assert losses[-1] == pytest.approx(1 / 25_001)


def test_runs_are_compared_by_what_differs(run: RunView, tmp_path: Path) -> None:
    other = tmp_path / "second"
    other.mkdir()
    (other / "status.json").write_text('{"state": "done"}')
    (other / "config.yaml").write_text("rank: 16\nepochs: 2\noutput: there\n")
    found = view_run(tmp_path, other)
    assert found is not None
    html = comparison_html([run, found], "zh")
    assert ">rank<" in html and ">8<" in html and ">16<" in html and "4.2500" in html
    assert ">epochs<" not in html and ">output<" not in html
