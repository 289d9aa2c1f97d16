from __future__ import annotations

import csv
import random
import re
import resource
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from mi_arena import __version__
from mi_arena.miti.coding import Coding, parse_coding
from mi_arena.miti.item_values import ITEMS
from mi_arena.miti.items import CODES, GLOBALS, items
from mi_arena.study.match_results import VerdictRow, match_results
from mi_arena.study.miti_results import SOURCES, CodingRow, MitiResults, miti_results
from mi_arena.workspace.report_files import ReportError, write_report
from mi_arena.workspace.report_text import report_markdown
from mi_arena.workspace.report_words import SOURCE_MEANINGS, SOURCE_TITLES, group_title

TABLES = ["miti_agreement", "miti_by_system", "miti_differences", "miti_thresholds"]
MATCHES = "miti_matches"
PLOTS = ["differences", "globals", "thresholds"]
SECRET = "我昨天又喝了酒"


def coding(chance: random.Random) -> Coding:
    """Coded volleys whose words no report may tell, or a form with gaps."""
    globals_ = {key: chance.choice([None, 1, 2, 3, 4, 5]) for key in GLOBALS}
    volleys = [
        {"utterances": [{"text": SECRET, "code": code}]} for code in chance.choices(CODES, k=9)
    ]
    filled = chance.choice([{"volleys": volleys}, {"counts": {"Q": 0, "SR": 1, "CR": 2}}, {}])
    return parse_coding({"change_goal": SECRET, "globals": globals_} | filled)


def rows(
    systems: tuple[str, ...] = ("base", "tuned"), matches: int = 6, **more: Any
) -> list[CodingRow]:
    chance = random.Random(4)
    return [
        CodingRow(
            dialogue=f"dialogue-{match}-{system}",
            match=f"match-{match}",
            system=system,
            pair="demo",
            epoch="e1",
            source="expert",
            rater=rater,
            coding=coding(chance),
        )._replace(**more)
        for match in range(matches)
        for system in systems
        for rater in chance.sample(["rater-ann", "rater-bob", "rater-cho"], 2)
    ]


def mixed() -> MitiResults:
    """Three groups: full of gaps, without base and agreement, and of a single dialogue."""
    alone = rows(("tuned", "remote:a|b"), 2, source="self_trained", epoch=None)
    one_rater = {row.dialogue: row._replace(rater="rater-dee") for row in alone}
    return miti_results(
        [
            *rows(("base", "base_prompted", "tuned", "reference")),
            *one_rater.values(),
            *rows(("base",), 1, source="judge", rater="model")[:1],
        ]
    )


@pytest.fixture(scope="module")
def results() -> MitiResults:
    return mixed()


@pytest.fixture(scope="module")
def report(results: MitiResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "first"
    write_report(results, folder, facts=["Made for\na test"])
    return folder


@pytest.fixture(scope="module")
def small() -> MitiResults:
    return miti_results(rows(("tuned",), 1))


def text_of(folder: Path) -> str:
    return (folder / "report.md").read_text(encoding="utf-8")


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def number(cell: str) -> float | None:
    return float(cell) if cell else None


def test_the_files_of_a_report(results: MitiResults, tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    written = write_report(results, folder)
    assert written[0] == folder / "report.md"
    assert sorted(written) == sorted(folder.iterdir())
    assert {path.stem for path in written if path.suffix == ".csv"} == {*TABLES, MATCHES}
    drawn = {path.stem for path in written if path.suffix == ".png"}
    # The second group has no base, the third nothing else: no difference to draw.
    assert drawn == {f"01_{kind}" for kind in PLOTS} | {
        f"{group}_{kind}" for group in ("02", "03") for kind in PLOTS[1:]
    }
    assert [path.name for path in folder.parent.iterdir()] == ["yet"]


def test_the_same_results_give_the_same_bytes(report: Path, tmp_path: Path) -> None:
    write_report(mixed(), tmp_path / "again", facts=["Made for a test"])
    assert contents(tmp_path / "again") == contents(report)


def test_no_file_tells_what_was_said_or_who_coded(report: Path) -> None:
    for name, content in contents(report).items():
        for secret in (SECRET, "rater-", "dialogue-", "match-"):
            assert secret.encode() not in content, (name, secret)


def test_means_and_differences_are_in_the_tables_unrounded(
    results: MitiResults, report: Path
) -> None:
    by_system = iter(table(report, "miti_by_system"))
    differences = iter(table(report, "miti_differences"))
    for group in results.groups:
        told: list[tuple[Any, Any, dict[str, str]]] = [
            *((one, one.items, {"system": one.system}) for one in group.systems),
            *(
                (one, one.items, {"system": one.system, "minus": one.minus})
                for one in group.differences
            ),
        ]
        for one, estimates, key in told:
            lines = differences if "minus" in key else by_system
            for item, estimate in estimates.items():
                line = next(lines)
                assert (line["source"], line["pair"], line["epoch"] or None) == (
                    group.source,
                    group.pair,
                    group.epoch,
                )
                assert key | {"item": item} == {name: line[name] for name in (*key, "item")}
                for name in ("mean", "sd", "low", "high"):
                    assert number(line[name]) == getattr(estimate, name)
                assert (line["n"], line["left_out"]) == (str(estimate.n), str(estimate.left_out))
                assert line["method"] == estimate.method
                for name in ("matches", "dialogues", "codings", "raters"):
                    assert line.get(name) in (None, str(getattr(one, name, None)))
    assert next(by_system, None) is next(differences, None) is None


def test_thresholds_and_agreement_are_in_the_tables_unrounded(
    results: MitiResults, report: Path
) -> None:
    thresholds = {
        (line["source"], line["system"], line["score"], line["at_least"]): line
        for line in table(report, "miti_thresholds")
    }
    agreements = {
        (line["source"], line["item"], line["coefficient"]): line
        for line in table(report, "miti_agreement")
    }
    assert len(agreements) == len(results.groups) * len(ITEMS) * 7
    assert len(thresholds) == sum(len(group.systems) for group in results.groups) * 4 * 2
    for group in results.groups:
        for one in group.systems:
            for score, shares in one.thresholds.items():
                for bar, share in shares.at_least.items():
                    line = thresholds[group.source, one.system, score, bar]
                    found = [number(line[name]) for name in ("share", "low", "high", "n")]
                    assert found == [share.value, share.low, share.high, share.n]
        for item, agreed in group.agreement.items():
            line = agreements[group.source, item, "exact"]
            assert number(line["value"]) == agreed.exact
            line = agreements[group.source, item, "alpha"]
            assert number(line["value"]) == agreed.alpha.value
            assert number(line["low"]) == agreed.alpha.ci_low
            assert line["dialogues"] == str(agreed.n_targets)
            if agreed.band_of:
                assert agreements[group.source, item, agreed.band_of]["band"] == agreed.band
    assert {
        line["threshold"] for key, line in thresholds.items() if key[2:] == ("technical", "fair")
    } == {"3.0"}


@pytest.mark.parametrize("name", TABLES)
def test_whatever_is_empty_has_a_reason(report: Path, name: str) -> None:
    lines = table(report, name)
    numbers = {"mean", "sd", "low", "high", "share", "value"} & set(lines[0])
    empty = [line for line in lines if any(not line[name] for name in numbers)]
    assert empty and all(line["reason"] for line in empty)
    for line in lines:
        assert (line.get("left_out", "0") == "0") == (not line.get("left_out_reason"))


def test_results_come_first_and_what_was_measured_and_how_at_the_end(report: Path) -> None:
    text = text_of(report)
    first = text[: text.index("\n## Expert codings")]
    assert first.startswith("# MITI results\n\nn counts dialogues") and len(first) < 300
    end = text[text.index("\n## What was measured") :]
    for said in (
        "- Made for a test\n",
        "MITI 4.2.1. " + items().citation,
        f"mi_arena {__version__}",
        "Expert codings: by raters to whom the dialogue was assigned; n = 48.",
        "95 % percentile bootstrap over dialogues, 2000 draws, seed 0",
        "95 % percentile bootstrap over matches, 2000 draws, seed 0",
        "Wilson 95 %",
        "Cicchetti 1994",
        items().cautions["thresholds"].en,
        items().cautions["short_segment"].en,
    ):
        assert said in end
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "## Expert codings, pair demo, epoch e1",
        "## Codings of own conversations after the reveal, trained raters, pair demo, outside of "
        "epochs",
        "## Codings by a model, pair demo, epoch e1",
        "## What was measured",
        "## How",
        "## Cautions",
    ]


def test_cells_of_the_text(results: MitiResults, report: Path) -> None:
    expert = results.groups[0]
    lines = text_of(report).splitlines()
    means, differences, _, agreements = [
        line.strip("| ").split(" | ") for line in lines if line.startswith("| Empathy |")
    ][:4]
    for cell, system in zip(means[1:], expert.systems, strict=True):
        one = system.items["EMPATHY"]
        assert cell.startswith(
            f"{one.mean:.2f} ({one.sd:.2f}) [{one.low:.2f}, {one.high:.2f}], {one.n}"
        )
        assert ("left out" in cell) == (one.left_out > 0)
    tuned_minus_base = expert.differences[0].items["EMPATHY"]
    assert differences[1].startswith(f"{tuned_minus_base.mean:+.2f} ({tuned_minus_base.sd:.2f}) [")
    agreed = expert.agreement["EMPATHY"]
    assert agreements[1:3] == [str(agreed.n_targets), str(agreed.n_raters)]
    assert (
        f"{agreed.alpha.value:.2f} [{agreed.alpha.ci_low:.2f}, {agreed.alpha.ci_high:.2f}]"
        in agreements
    )
    assert agreements[5].startswith(f"{agreed.band} by ")
    share = expert.systems[0].thresholds["technical"].at_least["fair"]
    reached = f"{100 * (share.value or 0):.0f} % [{100 * (share.low or 0):.0f} %, "
    (thresholds,) = [
        line
        for line in lines[: lines.index("### Agreement of raters")]
        if "Technical (1 to 5), at least fair: 3 " in line
    ]
    assert f"| {reached}" in thresholds


def test_a_tiny_difference_is_no_negative_zero(tmp_path: Path) -> None:
    """333 reflections to 1,000 questions are 0.001 less than 334."""
    counts = {"base": 334, "tuned": 333}
    asked = [
        row._replace(rater="ann", coding=parse_coding({"counts": {"Q": 1000, "SR": 0, "CR": n}}))
        for system, n in counts.items()
        for row in rows((system,), 1)[:1]
    ]
    write_report(miti_results(asked), tmp_path / "report")
    assert "| Reflections to questions (ratio) | +0.00 (–) [" in text_of(tmp_path / "report")
    assert "-0.00" not in text_of(tmp_path / "report")


def test_every_dash_of_the_text_has_its_reason_in_its_section(report: Path) -> None:
    sections = re.split(r"\n## ", text_of(report))[1:4]
    raised = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
    for section in sections:
        tables = [line for line in section.splitlines() if line.startswith("| ")]
        marks = [
            int(mark.translate(raised))
            for mark in re.findall("(?:–|left out)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", "\n".join(tables))
        ]
        listed = re.findall(r"^(\d+)\. .+$", section, re.MULTILINE)
        assert listed == [str(place) for place in range(1, len(listed) + 1)]
        assert list(dict.fromkeys(marks)) == [int(place) for place in listed]
        for line in tables:
            # A dash without a mark is a spread or a coefficient beside one that has the mark.
            assert not re.search("–(?![⁰¹²³⁴⁵⁶⁷⁸⁹])", line) or re.search("–[⁰¹²³⁴⁵⁶⁷⁸⁹]", line)


def test_every_table_of_the_text_has_as_many_cells_in_each_row(report: Path) -> None:
    widths = set()
    for block in text_of(report).split("\n\n"):
        if block.startswith("| "):
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(cells) == 1
            widths |= cells
    assert len(widths) > 2
    assert r"remote:a\|b" in text_of(report)


def test_the_text_shows_every_plot(report: Path) -> None:
    shown = re.findall(r"^!\[.+\]\((.+)\)$", text_of(report), re.MULTILINE)
    assert sorted(shown) == sorted(path.name for path in report.glob("*.png"))


def test_systems_that_share_no_match_are_named(tmp_path: Path) -> None:
    apart = [*rows(("tuned",), 2), *(row._replace(match=None) for row in rows(("base",), 2))]
    write_report(miti_results(apart), tmp_path / "report")
    assert "Without a match in which both are coded: tuned and base." in text_of(
        tmp_path / "report"
    )
    assert not (tmp_path / "report" / "01_differences.png").exists()
    lines = table(tmp_path / "report", "miti_differences")
    assert {(line["matches"], line["n"], line["reason"]) for line in lines} == {
        ("0", "0", "there is no match")
    }


def test_without_codings_the_report_says_so(tmp_path: Path) -> None:
    written = write_report(miti_results([]), tmp_path / "report", facts=["Of nobody"])
    assert len(written) == 1 + len(TABLES) + 1
    text = text_of(tmp_path / "report")
    assert "There are no codings" in text and "- Of nobody" in text
    assert all(table(tmp_path / "report", name) == [] for name in TABLES)
    assert table(tmp_path / "report", MATCHES) == []
    assert all(path.read_text().startswith("source,pair,epoch,") for path in written[1:-1])
    assert written[-1].read_text().startswith("pair,epoch,system,other,")
    assert "Pairwise" not in text


def verdicts(**preferred: str) -> list[VerdictRow]:
    """By rater, a letter a match: first, second, tie, unacceptable."""
    meant = {"f": "tuned", "s": "base", "t": "tie", "u": "both_unacceptable"}
    return [
        VerdictRow(f"m{number}", "demo", "demo-e1", frozenset({"base", "tuned"}), rater, meant[one])
        for rater, letters in preferred.items()
        for number, one in enumerate(letters)
    ]


def test_verdicts_on_matches_are_in_the_text_and_in_their_table(
    small: MitiResults, tmp_path: Path
) -> None:
    alone = [VerdictRow("m", "demo", None, frozenset({"base", "reference"}), "ann", "base")]
    found = match_results([*verdicts(ann="ffst", bob="fsu", cho="ff"), *alone])
    write_report(small, tmp_path / "report", matches=found)
    first, second = table(tmp_path / "report", MATCHES)
    told = {
        "pair": "demo", "epoch": "", "system": "reference", "other": "base", "matches": "1",
        "preferred_system": "0", "preferred_other": "1", "share": "0.0", "low": "", "n": "1",
    }  # fmt: skip
    assert told.items() <= first.items() and first["reason"].startswith("only one rater decided")
    told = {
        "pair": "demo", "epoch": "demo-e1", "system": "tuned", "other": "base", "matches": "4",
        "verdicts": "9", "raters": "3", "preferred_system": "5", "preferred_other": "2",
        "ties": "1", "both_unacceptable": "1", "n": "7", "reason": "",
    }  # fmt: skip
    assert told.items() <= second.items()
    assert number(second["share"]) == 5 / 7 == found[1].share.value
    assert (number(second["low"]), number(second["high"])) == (
        found[1].share.low,
        found[1].share.high,
    )
    text = text_of(tmp_path / "report")
    section = text[text.index("## Pairwise judgements of matches") :]
    low, high = (f"{100 * (end or 0):.0f} %" for end in (found[1].share.low, found[1].share.high))
    assert (
        f"| demo | epoch e1 | tuned | base | 4 | 9 | 3 | 5 | 2 | 1 | 1 | 71 % [{low}, {high}], 7 |"
    ) in section
    assert "| demo | outside of epochs | reference | base | 1 |" in section
    assert "| 0 % [–¹], 1 |" in section and "1. only one rater decided" in section
    assert "bootstrap over raters" in section


def test_verdicts_without_codings_are_a_report(tmp_path: Path) -> None:
    written = write_report(
        miti_results([]), tmp_path / "report", matches=match_results(verdicts(ann="tu"))
    )
    text = text_of(tmp_path / "report")
    assert "There are no codings" in text and "## Pairwise judgements of matches" in text
    assert "| 2 | 2 | 1 | 0 | 0 | 1 | 1 | –¹ |" in text and "1. nothing decided" in text
    assert written[0].name == "report.md"


def test_epochs_of_one_pair_have_titles_of_their_own() -> None:
    pair = "a-pair-with-a-long-name"
    epochs = [f"{pair}-0123456789abcdef-{number}" for number in (1, 2)] + ["foreign"]
    found = miti_results(row for e in epochs for row in rows(("tuned",), 1, pair=pair, epoch=e))
    assert [group_title(group).rpartition(", ")[2] for group in found.groups] == [
        "epoch 0123456789abcdef-1",
        "epoch 0123456789abcdef-2",
        "epoch foreign",
    ]


def test_every_kind_of_coding_has_a_title_and_a_meaning_of_its_own() -> None:
    for words in (SOURCE_TITLES, SOURCE_MEANINGS):
        assert tuple(words) == SOURCES
        assert len(set(words.values())) == len(SOURCES)
    for source in SOURCES:
        if source.startswith("self"):
            blind, trained = source.endswith("_blind"), "_trained" in source
            meaning = SOURCE_MEANINGS[source]
            assert ("before being told which arm" in meaning) == blind
            assert ("after having been told which arm" in meaning) != blind
            assert ("after passing the practice" in meaning) == trained
            assert SOURCE_TITLES[source].startswith("Blind ") == blind


# --- names that nobody has checked


HOSTILE = [
    "![](http://x.example/a.png)",
    "![a][b]",
    "[text](http://x.example)",
    "<http://x.example>",
    "<img src=http://x.example>",
    "a](b) ![c](http://x.example)",
    "\\![](http://x.example)",
    "`code`",
    "*bold* _slanted_ __both__",
    "a|b",
    "a\\|b",
    "&lt;b&gt;",
    "# heading #",
    "plain_name-1.5",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_as_it_is_and_loads_nothing(results: MitiResults, name: str) -> None:
    """As the page renders the text."""
    group = results.groups[0]
    renamed = replace(
        group,
        pair=name,
        epoch=name,
        systems=tuple(replace(one, system=name) for one in group.systems),
        differences=(
            *(replace(one, minus=name) for one in group.differences),
            replace(group.differences[0], minus=name, matches=0),
        ),
    )
    matches = match_results([VerdictRow("m", name, name, frozenset({"base", name}), "ann", "base")])
    text = report_markdown(
        MitiResults((renamed,)), matches, [name], [[("01_globals.png", group_title(renamed))]]
    )
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    page = _Page()
    page.feed(html)
    assert page.loaded == ["01_globals.png"] and not page.links
    plain = " ".join(page.text.split())
    assert f"pair {name}, epoch {name}" in plain and f"Epoch: {name}" in plain
    assert f"tuned minus {name}" in plain
    assert page.alt == [group_title(renamed)]
    # Its pair and its system in the table of matches, each system in three tables of the group.
    assert page.cells.count(name) == 2 + 3 * len(group.systems)
    assert not {"em", "code"} & page.tags


class _Page(HTMLParser):
    """What a browser would fetch, link to and show."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.alt: list[str] = []
        self.links: list[str] = []
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.add(tag)
        if tag == "img":
            self.loaded.append(told["src"] or "")
            self.alt.append(told["alt"] or "")
        if tag == "a":
            self.links.append(told["href"] or "")
        if tag in ("td", "th"):
            self._in_cell = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.cells[-1] += data


def test_an_earlier_report_is_replaced_as_a_whole(
    report: Path, small: MitiResults, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    for name, content in contents(report).items():
        (folder / name).write_bytes(content)
    written = write_report(small, folder)
    assert sorted(folder.iterdir()) == sorted(written)
    assert not (folder / "03_globals.png").exists()
    assert "demo" in text_of(folder) and "Codings by a model" not in text_of(folder)
    assert list(tmp_path.iterdir()) == [folder]
    assert folder.stat().st_mode & 0o777 == report.stat().st_mode & 0o777


def test_a_link_to_a_folder_stays_a_link(small: MitiResults, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    write_report(small, link)
    assert link.is_symlink() and (tmp_path / "real" / "report.md").is_file()


@pytest.mark.parametrize(
    "other", ["notes.txt", "01_globals.png.bak", "x_globals.png", ".hidden", "report.md/"]
)
def test_a_folder_that_holds_something_else_is_refused(
    other: str, small: MitiResults, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "miti_by_system.csv").write_text("old")
    path = folder / other
    if other.endswith("/"):
        path.mkdir()
    else:
        path.write_text("mine")
    with pytest.raises(ReportError, match=re.escape(other.rstrip("/"))) as caught:
        write_report(small, folder)
    assert "\n" not in str(caught.value)
    assert sorted(folder.iterdir()) == sorted([folder / "miti_by_system.csv", path])
    assert (folder / "miti_by_system.csv").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_where_the_folder_should_be_is_refused(small: MitiResults, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for folder in (file, file / "below", tmp_path / ("x" * 300)):
        with pytest.raises(ReportError) as caught:
            write_report(small, folder)
        assert "\n" not in str(caught.value)
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


def test_a_disk_that_takes_no_more_leaves_the_earlier_report(
    small: MitiResults, report: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    write_report(small, folder, facts=["The earlier one"])
    before = contents(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Enough for the text, not for the tables.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["report.md"]) + 2000, hard))
    try:
        with pytest.raises(ReportError, match="cannot be written"):
            write_report(small, folder, facts=["The later one"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(folder) == before
    assert list(tmp_path.iterdir()) == [folder]
