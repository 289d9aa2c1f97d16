"""The command from files to folder: what it refuses, what it writes, all or nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from mi_arena.dialogue import Dialogue, read_dialogues
from mi_arena.jobs.whole_folder import whole_folder
from tests.processes import ROOT, kill_when, start
from tests.small_dialogues import write
from tests.training.split_dialogues import one, story
from training.split import folder as split_folder
from training.split.__main__ import main
from training.split.folder import check_target
from training.split.groups import plain

SMILECHAT = ROOT.parent / "shared" / "data" / "smilechat.jsonl.gz"
SIZES = ("--train", 20, "--test", 4)

Output = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def called(*arguments: object) -> Output:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return called


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """36 dialogues in 30 groups of two sources, with topics in one of them."""
    dialogues = [one(f"m{i:02}", topic="sleep" if i % 3 else "diet") for i in range(18)]
    dialogues += [one(f"c{i:02}", source="CPsyCounD", group=f"q{i % 12}") for i in range(18)]
    return write(tmp_path / "in.jsonl", dialogues)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_what_is_written(run: Any, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "split"
    code, text, err = run(data, "--out", out, *SIZES, "--validation", 3, "--no-near")
    assert (code, err) == (0, "")
    assert "train: 20 in " in text
    assert "test: 4 in " in text
    splits = {n: list(read_dialogues(out / f"{n}.jsonl")) for n in ("train", "test", "validation")}
    assert {name: len(found) for name, found in splits.items()} == {
        "train": 20, "test": 4, "validation": 3,
    }  # fmt: skip
    assert all(d.meta["split"] == name for name, found in splits.items() for d in found)
    before = {d.id: d for d in read_dialogues(data)}
    for found in splits.values():
        assert [d.id for d in found] == sorted(d.id for d in found)
        for d in found:
            assert d.messages == before[d.id].messages
            assert d.model_extra == before[d.id].model_extra
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"] == [
        {"name": "in.jsonl", "sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
         "dialogues": 36}
    ]  # fmt: skip
    written = files_of(out)
    assert {n: f["sha256"] for n, f in manifest["files"].items()} == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in written.items()
        if name != "manifest.json"
    }
    assert not any(str(tmp_path).encode() in content for content in written.values())
    told = json.loads(written["report.json"])
    assert told["unused"]["dialogues"] == 9
    assert [row["train"]["dialogues"] for row in told["shares"]]
    assert sum(row["available"]["dialogues"] for row in told["shares"]) == 36


def test_the_same_command_makes_the_same_bytes(run: Any, data: Path, tmp_path: Path) -> None:
    run(data, "--out", tmp_path / "first", *SIZES, "--no-near")
    # The same lines in another order, from another process with another hash seed.
    lines = data.read_text(encoding="utf-8").splitlines(keepends=True)
    data.write_text("".join(lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "training.split",
        data,
        "--out",
        tmp_path / "second",
        "--no-near",
    ]
    subprocess.run(
        [*map(str, [*command, *SIZES])],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")
    turned = tmp_path / "turned.jsonl"
    turned.write_text("".join(lines[::-1]), encoding="utf-8")
    run(turned, "--out", tmp_path / "third", *SIZES, "--no-near")
    for name in ("train.jsonl", "test.jsonl"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "third" / name).read_bytes()
    run(data, "--out", tmp_path / "fourth", *SIZES, "--no-near", "--seed", 1)
    assert files_of(tmp_path / "first") != files_of(tmp_path / "fourth")


def test_loads_from_disk_as_json_and_by_its_card(run: Any, tmp_path: Path) -> None:
    dialogues = [one(f"d{i:02}", group=i if i % 2 else f"g{i}", n=i) for i in range(12)]
    dialogues[3] = dialogues[3].model_copy(update={"meta": {"provenance": {"model": "m"}}})
    record = one("d99", topic="diet").model_dump()
    record["messages"][1]["utterances"] = [{"text": "x", "code": None}]
    record["client"] = {"age": 40}
    dialogues.append(Dialogue.model_validate(record))
    data = write(tmp_path / "in.jsonl", dialogues)
    out = tmp_path / "split"
    assert run(data, "--out", out, "--train", 10, "--test", 3, "--no-near")[0] == 0
    on_disk = datasets.load_from_disk(str(out / "dataset"))
    by_card = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    files = {name: str(out / f"{name}.jsonl") for name in ("train", "test")}
    as_json = datasets.load_dataset("json", data_files=files, cache_dir=str(tmp_path / "more"))
    for name in ("train", "test"):
        wanted = list(read_dialogues(out / f"{name}.jsonl"))
        for loaded in (on_disk, by_card, as_json):
            assert loaded[name]["id"] == [d.id for d in wanted]
        for row, d in zip(on_disk[name], wanted, strict=True):
            assert json.loads(row["meta"]) == d.meta
            assert row["messages"] == [{"role": m.role, "content": m.content} for m in d.messages]
        for row, d in zip(by_card[name], wanted, strict=True):
            assert row["meta"] == d.meta
            assert row["messages"] == [m.model_dump() for m in d.messages]
    assert on_disk["train"].features == on_disk["test"].features


def test_the_card(run: Any, tmp_path: Path) -> None:
    made_by = {"prompt_version": "v3", "model_asked": "gpt-x", "model_answered": "gpt-x-1"}
    dialogues = [one(f"a{i}", source="SmileChat", provenance=made_by) for i in range(5)]
    dialogues += [one(f"b{i}", source="PsyDTCorpus", split="test") for i in range(5)]
    dialogues += [one(f"c{i}", source="found-somewhere") for i in range(5)]
    data = write(tmp_path / "in.jsonl", dialogues)
    out = tmp_path / "split"
    assert run(data, "--out", out, "--train", 12, "--test", 3, "--no-near")[0] == 0
    _, front, text = (out / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["license"] == ["apache-2.0", "cc0-1.0", "unknown"]
    assert head["language"] == ["zh"]
    assert head["configs"][0]["data_files"] == [
        {"split": "train", "path": "train.jsonl"}, {"split": "test", "path": "test.jsonl"},
    ]  # fmt: skip
    for wanted in (
        "unknown: check before publishing", "PsyQA", "| prompt versions | v3 | 5 |",
        "| models | gpt-x-1 | 5 |", "not looked for (--no-near)",
        "4 dialogues of train were test data in their source",
    ):  # fmt: skip
        assert wanted in text
    kept = [d.meta for d in read_dialogues(out / "train.jsonl") if d.source == "PsyDTCorpus"]
    assert [meta["split_before"] for meta in kept] == ["test"] * 4


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        (
            (2000, 40),
            "train 2000, test 40 are asked for, 2040 in all, but the input has 36 usable dialogues "
            "in 30 groups (36 read); ask for --train 35 --test 1",
        ),
        ((40, 4), "36 usable dialogues in 30 groups (36 read); ask for --train 32 --test 4"),
    ],
)
def test_too_small(
    run: Any, data: Path, tmp_path: Path, sizes: tuple[int, int], wanted: str
) -> None:
    out = tmp_path / "split"
    code, text, err = run(data, "--out", out, "--train", sizes[0], "--test", sizes[1], "--no-near")
    assert (code, text) == (2, "")
    assert err.count("\n") == 1
    assert wanted in err
    assert not out.exists()


def test_one_question_cannot_be_split(run: Any, tmp_path: Path) -> None:
    data = write(tmp_path / "in.jsonl", [one(f"d{i}", group="q") for i in range(9)])
    code, _, err = run(data, "--out", tmp_path / "s", "--train", 20, "--test", 2, "--no-near")
    assert code == 2
    assert "9 usable dialogues in 1 groups (9 read); add dialogues of other questions" in err
    code, _, err = run(data, "--out", tmp_path / "s", "--train", 6, "--test", 2, "--no-near")
    assert (code, err.count("\n")) == (2, 1)
    assert "no whole groups were found that make train 6, test 2; the nearest is train" in err


def test_nothing_is_left_out_in_silence(run: Any, tmp_path: Path) -> None:
    good = [one(f"d{i}") for i in range(6)]
    messages = good[0].messages
    odd = [
        one("crisis", flags=["crisis", "client_last"]),
        one("x1").model_copy(update={"messages": messages[::2]}),
        one("x2").model_copy(update={"messages": messages[1::2]}),
        one("x3").model_copy(
            update={"messages": [*messages, messages[1].model_copy(update={"content": " \n"})]}
        ),
        good[0],
    ]
    data = write(tmp_path / "in.jsonl", good, odd)
    sizes = ("--train", 5, "--test", 1, "--no-near", "--json")
    code, text, _ = run(data, "--out", tmp_path / "s", *sizes)
    told = json.loads(text)
    assert (code, told["read"], told["usable"]) == (0, 11, 6)
    assert told["left_out"] == {
        "crisis": 1, "empty_turn": 1, "no_client_turn": 1, "no_counselor_turn": 1,
        "same_record_again": 1,
    }  # fmt: skip
    _, text, _ = run(data, "--out", tmp_path / "s", *sizes, "--with-crisis")
    assert json.loads(text)["usable"] == 7


def test_one_id_with_two_texts_is_refused_by_name(run: Any, tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", [one("d1"), one("d2")])
    second = write(tmp_path / "b.jsonl", [one("d2", story("else")), one("d3")])
    code, _, err = run(first, second, "--out", tmp_path / "s", "--train", 1, "--no-near")
    assert code == 2
    assert err == (
        f"training.split: {second}: the id 'd2' stands for another record in {first}; "
        "give every dialogue an id of its own\n"
    )


BAD: list[tuple[str, bytes, str]] = [
    ("binary.jsonl", b"\xff\xfe\x00\x01", "is not UTF-8 text"),
    ("schema.jsonl", b'{"id": 1}\n', "schema.jsonl:1: id"),
    ("half.jsonl", b'{"id": "a", "source"', "half.jsonl:1: "),
    ("empty.jsonl", b"", "there is no dialogue in it"),
    ("cut.jsonl.gz", gzip.compress(b'{"id": "a"}' * 99)[:-9], "is not a whole gzip file"),
    ("plain.jsonl.gz", b"{}", "is not a whole gzip file"),
]


@pytest.mark.parametrize(("name", "content", "wanted"), BAD, ids=[name for name, _, _ in BAD])
@pytest.mark.parametrize("place", ["input", "against"])
def test_bad_files(
    run: Any, data: Path, tmp_path: Path, name: str, content: bytes, wanted: str, place: str
) -> None:
    bad = tmp_path / name
    bad.write_bytes(content)
    given = (bad,) if place == "input" else (data, "--against", bad)
    code, _, err = run(*given, "--out", tmp_path / "s", *SIZES, "--no-near")
    assert (code, err.count("\n")) == (2, 1)
    assert wanted in err
    assert not (tmp_path / "s").exists()


def test_files_that_are_not_there(run: Any, tmp_path: Path) -> None:
    for path, wanted in ((tmp_path / "no.jsonl", "no such file"), (tmp_path, "is a folder")):
        code, _, err = run(path, "--out", tmp_path / "s", "--no-near")
        assert (code, err) == (2, f"training.split: {path}: {err.split(f'{path}: ')[1]}")
        assert wanted in err


def test_only_an_earlier_split_is_replaced(run: Any, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "split"
    out.mkdir()
    (out / "thesis.docx").write_text("years of work")
    code, _, err = run(data, "--out", out, *SIZES, "--no-near")
    assert code == 2
    assert "holds other files than a split" in err
    assert files_of(out) == {"thesis.docx": b"years of work"}
    (out / "thesis.docx").unlink()
    assert run(data, "--out", out, *SIZES, "--validation", 2, "--no-near")[0] == 0
    assert run(data, "--out", out, *SIZES, "--no-near")[0] == 0
    assert not (out / "validation.jsonl").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "split"]
    code, _, err = run(data, "--out", data, *SIZES, "--no-near")
    assert code == 2
    assert "is no folder" in err


def test_a_failure_while_writing_leaves_the_earlier_split(
    run: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "split"
    run(data, "--out", out, *SIZES, "--no-near")
    before = files_of(out)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(split_folder, "save_datasets", full)
    code, _, err = run(data, "--out", out, *SIZES, "--seed", 5, "--no-near")
    assert (code, err) == (2, "training.split: [Errno 28] No space left on device\n")
    assert files_of(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "split"]


def test_a_kill_leaves_nothing_half_written(run: Any, tmp_path: Path) -> None:
    data = write(tmp_path / "in.jsonl", [one(f"d{i}") for i in range(3000)])
    out = tmp_path / "split"
    sizes = ("--train", 2500, "--test", 40, "--no-near")
    process = start("training.split", data, "--out", out, *sizes)
    kill_when(process, lambda: any(tmp_path.glob(".split.part-*/train.jsonl*")))
    assert not out.exists()
    assert run(data, "--out", out, *sizes)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "split"]


def test_the_old_split_stays_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "split"
    old.mkdir()
    (old / "manifest.json").write_text("old")
    real = Path.rename

    def fails_for_the_new(self: Path, target: Path) -> Path:
        if ".part-" in self.name:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fails_for_the_new)
    with pytest.raises(KeyboardInterrupt), whole_folder(old, lambda _: None) as part:
        (part / "manifest.json").write_text("new")
    assert (old / "manifest.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["split"]


def test_a_split_that_a_kill_left_aside_goes_back(tmp_path: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    aside = tmp_path / f".split.old-{process.pid}"
    aside.mkdir()
    (aside / "manifest.json").write_text(json.dumps({"format": split_folder.FORMAT}))
    with pytest.raises(KeyError), whole_folder(tmp_path / "split", check_target):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["split"]


def test_the_run_directory(run: Any, data: Path, tmp_path: Path) -> None:
    where = tmp_path / "run"
    arguments = (data, "--out", tmp_path / "s", *SIZES, "--no-near", "--run", where)
    assert run(*arguments)[0] == 0
    status = json.loads((where / "status.json").read_text())
    assert (status["state"], status["step"], status["total"]) == ("done", 6, 6)
    config = yaml.safe_load((where / "config.yaml").read_text())
    assert config["inputs"] == [str(data)]
    assert (config["train"], config["no_near"]) == (20, True)
    leaky = write(tmp_path / "more.jsonl", read_dialogues(data))
    assert run(*arguments, "--against", leaky)[0] == 2
    status = json.loads((where / "status.json").read_text())
    assert status["state"] == "failed"
    assert "more.jsonl" in status["error"]
    leaks = json.loads((where / "leaks.json").read_text())["leaks"]
    assert [o["left_dialogues"] for o in leaks if (o["left"], o["right"], o["kind"]) == (
        "train", "more.jsonl", "exact",
    )] == [20]  # fmt: skip


def planted(data: Path, tmp_path: Path) -> tuple[Path, str]:
    """A further test file that holds one dialogue of the train split again, under another id."""
    out = tmp_path / "before"
    assert main([str(a) for a in (data, "--out", out, *SIZES, "--no-near")]) == 0
    first = next(read_dialogues(out / "train.jsonl"))
    again = first.model_copy(update={"id": "copy", "meta": {}})
    return write(tmp_path / "further.jsonl", [one("other"), again]), first.id


def test_an_exact_leak_is_refused_or_its_group_dropped(
    run: Any, data: Path, tmp_path: Path
) -> None:
    further, leaked = planted(data, tmp_path)
    out = tmp_path / "split"
    arguments = (data, "--out", out, *SIZES, "--no-near", "--against", further)
    code, _, err = run(*arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert f"further.jsonl: exact 1 (such as {leaked} and copy)" in err
    assert "--drop-leaks" in err
    assert not out.exists()
    code, text, _ = run(*arguments, "--drop-leaks", "--json")
    told = json.loads(text)
    assert code == 0
    assert told["dropped_leaks"]["groups"] == 1
    groups = {d.id: d.meta.get("group", d.id) for d in read_dialogues(data)}
    siblings = {name for name, found in groups.items() if found == groups[leaked]}
    assert told["dropped_leaks"]["dialogues"] == len(siblings)
    written = {d.id for n in ("train", "test") for d in read_dialogues(out / f"{n}.jsonl")}
    assert len(written) == 24
    assert written.isdisjoint(siblings)
    assert all(o["left_dialogues"] in (0, None) for o in told["leaks"])


def test_a_shared_question_is_a_leak_too(run: Any, data: Path, tmp_path: Path) -> None:
    further = write(tmp_path / "further.jsonl", [one("f", source_id="m00"), one("g", group="q3")])
    arguments = (data, "--out", tmp_path / "s", "--train", 32, "--test", 4, "--no-near")
    code, _, err = run(*arguments, "--against", further)
    assert code == 2
    assert "further.jsonl: question " in err


def test_further_files_of_one_name_are_told_apart(run: Any, data: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "x" / "train", tmp_path / "y" / "f", tmp_path / "z" / "f"]
    for path in paths:
        path.parent.mkdir()
        write(path, [one(path.parent.name)])
    out = tmp_path / "s"
    code, text, _ = run(data, "--out", out, *SIZES, "--no-near", "--json", "--against", *paths)
    told = json.loads(text)
    assert (code, {o["right"] for o in told["leaks"]}) == (0, {"test", "train (1)", "f", "f (3)"})


def test_a_harmless_further_file(run: Any, data: Path, tmp_path: Path) -> None:
    further = write(tmp_path / "further.jsonl", [one("f1"), one("f2")])
    code, text, _ = run(data, "--out", tmp_path / "s", *SIZES, "--no-near", "--against", further)
    assert code == 0
    assert "train and further.jsonl, exact: 0 of train, 0 of further.jsonl" in text


def nearly(dialogue: Dialogue, name: str) -> Dialogue:
    """The same but for a word at the end of each turn."""
    messages = [m.model_copy(update={"content": m.content + "呢"}) for m in dialogue.messages]
    return dialogue.model_copy(update={"id": name, "messages": messages, "meta": {}})


class TestNear:
    def test_near_duplicates_do_not_straddle(self, run: Any, tmp_path: Path) -> None:
        originals = [one(f"d{i:02}", story(i, 80)) for i in range(30)]
        twins = [nearly(d, f"twin-{d.id}") for d in originals[:12]]
        data = write(tmp_path / "in.jsonl", originals, twins)
        out = tmp_path / "s"
        code, text, _ = run(data, "--out", out, "--train", 30, "--test", 8, "--json")
        told = json.loads(text)
        assert code == 0
        assert told["groups"]["joined_by"] == {"near": 12}
        side = {
            d.id: name for name in ("train", "test") for d in read_dialogues(out / f"{name}.jsonl")
        }
        for d in originals[:12]:
            assert side.get(d.id) == side.get(f"twin-{d.id}")
        assert all(o["left_dialogues"] == 0 for o in told["leaks"])
        # Without looking they would be parted: the check above is not empty.
        run(data, "--out", out, "--train", 30, "--test", 8, "--no-near")
        side = {
            d.id: name for name in ("train", "test") for d in read_dialogues(out / f"{name}.jsonl")
        }
        assert any(side.get(d.id) != side.get(f"twin-{d.id}") for d in originals[:12])

    def test_a_near_leak_is_refused_or_its_group_dropped(self, run: Any, tmp_path: Path) -> None:
        dialogues = [one(f"d{i:02}", story(i, 80)) for i in range(20)]
        data = write(tmp_path / "in.jsonl", dialogues)
        further = write(tmp_path / "further.jsonl", [nearly(dialogues[4], "copy")])
        arguments = (data, "--out", tmp_path / "s", "--test", 0, "--against", further)
        code, _, err = run(*arguments, "--train", 20)
        assert (code, err.count("\n")) == (2, 1)
        assert "further.jsonl: near 1 (such as d04 and copy)" in err
        code, text, _ = run(*arguments, "--train", 19, "--drop-leaks", "--json")
        told = json.loads(text)
        assert (code, told["dropped_leaks"]) == (0, {"dialogues": 1, "groups": 1})


@pytest.mark.skipif(not SMILECHAT.is_file(), reason=f"NOT CHECKED: there is no {SMILECHAT.name}")
def test_smilechat_is_split_without_a_straddling_group(run: Any, tmp_path: Path) -> None:
    out = tmp_path / "split"
    code, text, _ = run(SMILECHAT, "--out", out, "--validation", 200, "--no-near", "--json")
    told = json.loads(text)
    assert (code, told["read"], told["usable"]) == (0, 51_810, 48_768)
    sizes = {"train": 2000, "test": 40, "validation": 200}
    sides: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, size in sizes.items():
        found = list(read_dialogues(out / f"{name}.jsonl"))
        assert len(found) == size
        for d in found:
            sides["group", d.meta["group"]].add(name)
            sides["text", plain("\n".join(m.content for m in d.messages))].add(name)
            sides["first turn", plain(d.messages[0].content)].add(name)
    assert all(len(names) == 1 for names in sides.values())
    # Groups are whole: all usable dialogues of a chosen one are there.
    members: dict[str, int] = defaultdict(int)
    for d in read_dialogues(SMILECHAT):
        members[d.meta["group"]] += "crisis" not in d.meta["flags"]
    chosen = {value for kind, value in sides if kind == "group"}
    assert sum(members[value] for value in chosen) == sum(sizes.values())
    shutil.rmtree(out)


def test_rewritings_of_near_equal_sources_never_straddle(run: Any, tmp_path: Path) -> None:
    """The rewritings have nothing in common; only the sources tell that they belong together."""
    sources, rewritten = [], []
    for number in range(12):
        text = story(f"source{number}", 60)
        for twin, said in (("a", text), ("b", text + "嗯")):
            name = f"x{number:02}{twin}"
            sources.append(one(name, said))
            rewritten.append(one(f"mi-{name}", source_id=name))
    before = write(tmp_path / "sources.jsonl", sources)
    given = write(tmp_path / "in.jsonl", rewritten)
    parted = 0
    for seed in range(4):
        for more in ((), ("--sources", before)):
            out = tmp_path / f"split{seed}{len(more)}"
            code, _, err = run(
                given, "--out", out, "--train", 16, "--test", 8, "--seed", seed, *more
            )
            assert (code, err) == (0, "")
            splits = [
                {d.meta["source_id"][:-1] for d in read_dialogues(out / f"{name}.jsonl")}
                for name in ("train", "test")
            ]
            if more:
                assert not splits[0] & splits[1]
                manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
                assert [file["name"] for file in manifest["sources"]] == ["sources.jsonl"]
                assert len(list(read_dialogues(out / "train.jsonl"))) == 16
            else:
                parted += bool(splits[0] & splits[1])
    assert parted
