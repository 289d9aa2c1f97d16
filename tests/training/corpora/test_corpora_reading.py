"""Every kind from a folder, a file and an archive; bad files get one line each."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mi_arena.dialogue import Dialogue, write_dialogues
from mi_arena.jobs.script import BadInput
from tests.training.corpora.small_corpora import (
    FILES,
    IDS,
    PAIR,
    archive,
    folder,
    gzipped,
    made,
    shown,
    text,
    to_json,
)
from training.corpora.corpus import ALL_RULES, NO_RULES, read_corpus
from training.corpora.readers.kinds import KINDS
from training.corpora.report import Report

KIND_NAMES = sorted(FILES)


def test_the_small_corpora_are_of_every_kind() -> None:
    assert FILES.keys() == KINDS.keys() == IDS.keys()


def wanted(kind: str, path: str) -> list[str]:
    return [one.format(path=path) for one in IDS[kind]]


@pytest.mark.parametrize("kind", KIND_NAMES)
@pytest.mark.parametrize("form", ["folder", "raw.tar", "raw.tar.gz", "raw.tgz", "raw.zip"])
def test_from_many_files(tmp_path: Path, kind: str, form: str) -> None:
    files = {**FILES[kind], "CPsyCounD/README.md": "# not this", ".hidden/x.json": "{"}
    make = folder if form == "folder" else archive
    path = make(tmp_path / form, files)
    report = Report()
    found = list(read_corpus(kind, path, NO_RULES, report=report))
    assert [one.id for one in found] == wanted(kind, path.name.split(".")[0])
    assert (report.read, report.written, report.missed) == (len(found), len(found), 0)
    assert report.files == len(FILES[kind]) and len(report.passed_over) == 1
    assert {one.lang for one in found} == {"en" if kind == "annomi" else "zh"}


@pytest.mark.parametrize("kind", KIND_NAMES)
@pytest.mark.parametrize("packed", [False, True])
def test_from_one_file(tmp_path: Path, kind: str, packed: bool) -> None:
    whole = list(read_corpus(kind, folder(tmp_path / "all", FILES[kind]), NO_RULES))
    alone = []
    for name in FILES[kind]:
        path = tmp_path / "all" / name
        if packed:
            path = gzipped(path.with_name(path.name + ".gz"), FILES[kind][name])
        alone += [one for one in read_corpus(kind, path, NO_RULES)]

    def same(found: list[Dialogue]) -> set[str]:
        # A kind without a name of its own has the path's in id and source.
        return {
            to_json([one.id.rsplit("-", 1)[-1], shown(one.messages), one.meta]) for one in found
        }

    assert same(alone) == same(whole)
    if KINDS[kind].source:
        assert {one.id for one in alone} == {one.id for one in whole}
        assert {one.source for one in alone} == {KINDS[kind].source}


def read_one(tmp_path: Path, kind: str) -> list[Dialogue]:
    return list(read_corpus(kind, folder(tmp_path / kind, FILES[kind]), NO_RULES))


def test_what_the_sources_tell(tmp_path: Path) -> None:
    assert [one.meta for one in read_one(tmp_path, "cpsycoune")] == [
        {"topic": "Family Relationship"},
        {"topic": "Sex"},
    ]
    assert read_one(tmp_path, "psydt")[0].meta == {"topic": "婚恋"}
    assert {one.meta["group"] for one in read_one(tmp_path, "mdd5k")} == {"mdd5k-4"}
    assert shown(read_one(tmp_path, "emollm")[0].messages) == [
        "s:你是专家",
        "c:我累。",
        "k:说说看。",
    ]
    assert read_one(tmp_path, "sharegpt")[0].meta == {"topic": "睡眠"}
    assert read_one(tmp_path, "openai")[1].meta == {"note": 1}
    assert read_one(tmp_path, "smilechat")[0].messages[0].model_extra == {}
    seven, eight = read_one(tmp_path, "annomi")
    assert seven.meta == {"topic": "smoking", "mi_quality": "high", "annotators": ["1", "2"]}
    assert shown(seven.messages) == ["c:I smoke.", "k:You smoke, then?"]
    assert seven.messages[1].model_extra == {
        "utterance_id": "1",
        "codes": {"1": {"main": "question"}, "2": {"main": "reflection"}},
    }
    assert shown(eight.messages) == ["c:I eat.", "k:Stop it."]


def test_lines_of_cpsycound(tmp_path: Path) -> None:
    file = tmp_path / "case_1.txt"
    file.write_bytes(
        "\ufeff标题\r\n来访者（小李）：你好。\r\n心理咨询师：有三点：\r\n1. 早睡\r\n\r\n2. 早起\r\n"
        "来访者2：\r\n".encode()
    )
    report = Report()
    (found,) = read_corpus("cpsycound", file, NO_RULES, report=report)
    assert shown(found.messages) == ["c:你好。", "k:有三点：\n1. 早睡\n2. 早起", "c:"]
    assert [m.model_extra for m in found.messages] == [{"speaker": "小李"}, {}, {"speaker": "2"}]
    assert found.meta == {"preface": "标题"}
    assert report.problems["continuation_line"].places == 3


def test_cleaned_smilechat_keeps_its_group_and_flags(tmp_path: Path) -> None:
    path = tmp_path / "smilechat.jsonl"
    dialogue = made("smile-1", "c:我想自杀。", "k:你在想什么？", source="SmileChat",
                    group="smile-0", flags=["client_last"])  # fmt: skip
    write_dialogues(path, [dialogue, made("smile-2", "c:累", "k:嗯", source="SmileChat")])
    report = Report()
    found = list(read_corpus("smilechat", path, report=report))
    assert found[0].meta == {"group": "smile-0", "flags": ["client_last", "crisis"]}
    assert found[1].meta == {}
    assert report.problems["crisis"].dialogues == 1


def test_duplicates_and_ids_told_twice(tmp_path: Path) -> None:
    lines = [
        {"id": 1, "messages": PAIR},
        {"id": 1, "messages": [{"role": "user", "content": " 我睡不好。"}, PAIR[1]]},
        {"id": 2, "messages": [*PAIR, {"role": "user", "content": "再见"}]},
        {"id": 3, "messages": PAIR[:1]},
    ]
    path = tmp_path / "c.jsonl"
    path.write_text("\n".join(map(to_json, lines)), encoding="utf-8")
    report = Report()
    assert [one.id for one in read_corpus("openai", path, report=report)] == ["c-1"]
    counts = {name: tally.dialogues for name, tally in report.problems.items()}
    assert counts == {"same_id": 1, "duplicate": 1, "ends_on_client": 2, "one_role_only": 1}
    dropped = {name: tally.dialogues for name, tally in report.dropped.items()}
    assert dropped == {"drop_exact_duplicates": 2, "drop_one_role_only": 1}
    kept = read_corpus("openai", path, ALL_RULES - {"drop_exact_duplicates"})
    assert [one.id for one in kept] == ["c-1", "c-1-2", "c-2"]


def test_near_duplicates_only_when_asked(tmp_path: Path) -> None:
    words = (
        "我从去年冬天开始每天晚上都要到两三点才能睡着，白天上班没有精神，一直靠咖啡和香烟撑着。" * 2
    )
    pairs = [
        [{"role": "user", "content": words + end}, {"role": "assistant", "content": "说说看。"}]
        for end in ("好", "累")
    ]
    path = tmp_path / "c.json"
    path.write_text(to_json([{"messages": pair} for pair in pairs]), encoding="utf-8")
    assert len(list(read_corpus("openai", path))) == 2
    report = Report()
    assert len(list(read_corpus("openai", path, report=report, near_threshold=0.8))) == 1
    assert report.problems["near_duplicate"].examples[0]["excerpt"] == "c-1"
    assert report.dropped["drop_near_duplicates"].dialogues == 1
    kept = read_corpus("openai", path, NO_RULES, report=report, near_threshold=0.8)
    assert len(list(kept)) == 2


def test_a_bad_entry_is_a_problem_not_the_end(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "raw.tar.gz",
        {**text(1, 2), "x/case_3.txt": "", "x/case_4.txt": "\0\1", "x/case_5.txt": "只有文字"},
    )
    report = Report()
    assert len(list(read_corpus("cpsycound", path, report=report))) == 2
    tally = report.problems["unreadable"]
    assert tally.dialogues == 3
    assert [one["where"].rsplit("/", 1)[1] for one in tally.examples] == [
        "case_3.txt", "case_4.txt", "case_5.txt"
    ]  # fmt: skip
    assert [one["excerpt"][:15] for one in tally.examples][:2] == [
        "is empty",
        "is binary, not text"[:15],
    ]


BAD_LINES = to_json({"messages": PAIR}) + '\n{"messages": [{"role": "us\n[1]\n'


def test_a_bad_line_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(BAD_LINES, encoding="utf-8")
    report = Report()
    assert len(list(read_corpus("openai", path, report=report))) == 1
    examples = report.problems["unreadable"].examples
    assert [one["where"] for one in examples] == [f"{path}:2", f"{path}:3, entry 1"]
    assert "half a JSON value" in examples[0]["excerpt"]


def write(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(at: Path) -> Path:
        (at / name).write_bytes(content)
        return at / name

    return make


def cut_tar_gz(at: Path) -> Path:
    path = archive(at / "raw.tar.gz", text(*range(1, 200)))
    path.write_bytes(path.read_bytes()[:-200])
    return path


def cut_tar(at: Path) -> Path:
    path = archive(at / "raw.tar", text(1, 2, 3))
    path.write_bytes(path.read_bytes()[: 512 * 3 + 20])
    return path


def cut_gz(at: Path) -> Path:
    lines = "".join(to_json({"messages": PAIR, "n": n}) + "\n" for n in range(500))
    path = gzipped(at / "c.jsonl.gz", lines)
    path.write_bytes(path.read_bytes()[:-30])
    return path


def ours(at: Path) -> Path:
    write_dialogues(at / "d.jsonl", [made("x", "c:我累", "k:嗯", source="mi_zh")])
    return at / "d.jsonl"


BAD = {
    "missing": ("openai", lambda at: at / "no.json", r"no\.json: no such file"),
    "binary": ("openai", write("x.json", b"\x7fELF\0\1\2"), r"x\.json: is binary"),
    "binary text": ("cpsycound", write("x.txt", b"a\0b"), r"x\.txt: is binary"),
    "latin": ("cpsycound", write("x.txt", b"ok\n\xff\xfe"), r"x\.txt:2: is not UTF-8"),
    "empty": ("psydt", write("x.json", b" \n"), r"x\.json: is empty"),
    "empty lines": ("openai", write("x.jsonl", b"\n\n"), r"x\.jsonl: is empty"),
    "half a line": ("openai", write("x.jsonl", b'{"messages": [{'), r"x\.jsonl:1: is half a JSON"),
    "half a file": ("psydt", write("x.json", b'[\n{"id": 1,\n'), r"x\.json:\d: is half a JSON"),
    "no JSON": ("mdd5k", write("x.json", b"hello"), r"x\.json:1: is no JSON"),
    "empty list": ("emollm", write("x.json", b"[]"), r"expects JSON with .*an empty list"),
    "other kind": (
        "smilechat",
        write("x.json", to_json([{"conversations": [{"from": "human", "value": "x"}]}]).encode()),
        r"kind smilechat expects a JSON list .*conversations; that looks like kind sharegpt",
    ),
    "other text": (
        "cpsycound",
        write("x.txt", to_json({"messages": PAIR}).encode()),
        r"expects lines that begin with 来访者： .*looks like kind openai",
    ),
    "other table": ("annomi", write("x.csv", b"a,b\n1,2\n"), r"expects CSV with the columns"),
    "ours": ("smilechat", ours, r"looks like a dialogue file of this project \(source mi_zh\)"),
    "ours as openai": ("openai", ours, r"looks like a dialogue file of this project"),
    "no such files": (
        "cpsycound",
        lambda at: folder(at / "f", {"a.json": "[]", "b.md": ""}),
        r"f: no \.txt file in this folder; it holds 1 \.json, 1 \.md",
    ),
    "empty folder": ("openai", lambda at: folder(at / "f", {}),
                     r"holds no file at all"),
    "no archive": ("openai", write("x.zip", b"hello"), r"x\.zip: is no whole archive"),
    "no tar": ("openai", write("x.tar.gz", b"hello"), r"x\.tar\.gz: is no whole archive"),
    "cut tar.gz": ("cpsycound", cut_tar_gz, r"raw\.tar\.gz: is cut off in the middle"),
    "cut tar": ("cpsycound", cut_tar, r"raw\.tar: is (cut off|no whole archive)"),
    "cut gz": ("openai", cut_gz, r"c\.jsonl\.gz: is cut off in the middle"),
    "no gz": ("openai", write("x.jsonl.gz", b"hello"), r"x\.jsonl\.gz: is damaged"),
    "roles": (
        "openai",
        write("x.json", to_json({"messages": [{"role": "tool", "content": "x"}]}).encode()),
        r"message 1 has the role 'tool', not system, user, assistant",
    ),
    "no text": (
        "openai",
        write("x.json", to_json({"messages": [{"role": "user", "content": None}]}).encode()),
        r"message 1 has no text",
    ),
    "no messages": ("openai", write("x.json", b'{"messages": []}'), r"it has no messages"),
    "unknown kind": ("smilchat", lambda at: at, r"no kind 'smilchat'; did you mean smilechat\?"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_get_one_line(tmp_path: Path, case: str) -> None:
    kind, make, line = BAD[case]
    with pytest.raises(BadInput, match=line) as caught:
        list(read_corpus(kind, make(tmp_path), NO_RULES))
    assert "\n" not in str(caught.value)


def test_dangerous_names_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "in" / "raw.tar.gz"
    path.parent.mkdir()
    content = next(iter(text(1).values())).encode()
    with tarfile.open(path, "w:gz") as tar:
        for name in ("../../case_1.txt", "/etc/case_2.txt"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("case_3.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert {one.id for one in read_corpus("cpsycound", path, NO_RULES)} == {
        "cpsycound-1", "cpsycound-2"
    }  # fmt: skip
    assert sorted(tmp_path.rglob("*")) == [path.parent, path]


def test_progress_ends_at_the_sum(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(gzip.compress((to_json({"messages": PAIR}) + "\n").encode() * 300))
    seen: list[tuple[int, int]] = []
    list(read_corpus("openai", path, progress=lambda done, total: seen.append((done, total))))
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("shift", range(4))
def test_a_large_file_on_one_line_is_text_wherever_a_look_at_it_ends(
    tmp_path: Path, shift: int
) -> None:
    """The first bytes are looked at, and may end in the middle of a character."""
    record = {
        "id": "x" * shift,
        "messages": [
            {"role": "user", "content": "我想戒烟" * 1000},
            {"role": "assistant", "content": "听起来你已经想了很久。"},
        ],
    }
    file = tmp_path / "one.json"
    file.write_text(json.dumps([record], ensure_ascii=False), encoding="utf-8")
    [dialogue] = read_corpus("openai", file)
    assert dialogue.messages[0].content.startswith("我想戒烟")
