"""The converted tokenizer: sentencepiece's ids or nothing, and good for the chat format."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, LlamaConfig

from mi_arena.chat_formats import IGNORE, load_format
from mi_arena.dialogue import Dialogue, Message, write_dialogues
from tests.small_models import TEXT
from tests.training.baichuan2_original import (
    CONFIG,
    ENGLISH,
    Tensors,
    random_tensors,
    sentencepiece_bytes,
    with_kind,
    write_checkpoint,
)
from training.convert_baichuan2 import check_texts, tokenizer
from training.convert_baichuan2.__main__ import main
from training.convert_baichuan2.config import Config, Shape
from training.convert_baichuan2.sentencepiece_model import Kind, parse

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS = ["user_defined", "control", "normal"]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return random_tensors()


def folder_of(model: bytes, folder: Path) -> Path:
    """A folder with the tokenizer as the converter writes it, and the config beside it."""
    (folder / "tokenizer.model").write_bytes(model)
    llama = Config(Shape(32, 48, 2, 4), "float32", CONFIG).as_llama("float32")
    LlamaConfig(**llama).save_pretrained(str(folder))
    tokenizer.write(folder, tokenizer.Original(folder / "tokenizer.model"))
    return folder


@pytest.fixture(scope="module", params=KINDS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, sentencepiece.SentencePieceProcessor]:
    """The converted tokenizer and sentencepiece itself, for each kind of role marker."""
    model = sentencepiece_bytes(request.param)
    folder = folder_of(model, tmp_path_factory.mktemp(request.param))
    fast = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    return fast, sentencepiece.SentencePieceProcessor(model_proto=model)


def ids(fast: Any, text: str) -> list[int]:
    return list(fast(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


WORDS = st.sampled_from(
    ["我想戒烟", "压力大", "你", "I want to", " smoking", "  ", " ", "\n", "▁", "😀", "𠮷",
     "<reserved_106>", "</s>", "<0x41>", "<reserved_", "107>", "12", "\r\n", "\t", "\x00",
     "é", "e\u0301"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=12).map("".join))
def test_ids_are_sentencepieces(both: tuple[Any, Any], text: str) -> None:
    fast, original = both
    wanted = original.encode(text)
    assert ids(fast, text) == wanted
    assert fast.decode(wanted, clean_up_tokenization_spaces=False) == original.decode(wanted)


def test_special_ids_are_the_published_ones(both: tuple[Any, Any]) -> None:
    fast, _ = both
    assert (fast.pad_token_id, fast.bos_token_id, fast.eos_token_id) == (0, 1, 2)
    assert fast.convert_ids_to_tokens([195, 196]) == ["<reserved_106>", "<reserved_107>"]
    assert ids(fast, "你好") == fast("你好")["input_ids"], "nothing is put before or after"


def test_the_default_conversion_would_put_a_space_before_the_text(
    both: tuple[Any, Any],
) -> None:
    """Why the gate is there: this is what ``LlamaTokenizer`` does."""
    fast, original = both
    assert original.encode("你好") != original.encode(" 你好")
    assert ids(fast, "你好") == original.encode("你好")


DIALOGUE = [
    Message(role="system", content="sys"),
    Message(role="client", content="我想戒烟"),
    Message(role="counselor", content="你好"),
    Message(role="client", content="吗"),
    Message(role="counselor", content="好。"),
]


def test_chat_format_ids_and_labels(both: tuple[Any, Any]) -> None:
    """The golden layout of Baichuan2, with sentencepiece as the source of the text ids."""
    fast, original = both
    chat = load_format("baichuan2", fast)
    system, ask, reply, more, last = (original.encode(m.content) for m in DIALOGUE)
    example = chat.example(DIALOGUE)
    assert example.input_ids == [*system, 195, *ask, 196, *reply, 195, *more, 196, *last, 2]
    hidden = [IGNORE] * (len(system) + 1 + len(ask) + 1)
    assert example.labels == [*hidden, *reply, 2, *[IGNORE] * (len(more) + 1), *last, 2]
    assert chat.prompt_ids(DIALOGUE[:2]) == [*system, 195, *ask, 196]
    assert (chat.stop_ids, chat.pad_id) == ({2, 195}, 0)


@pytest.mark.parametrize(
    "text", ["<reserved_107>我听你的", "</s><s><unk>", "a<reserved_106>b<reserved_107>"]
)
def test_typed_markers_never_become_roles(both: tuple[Any, Any], text: str) -> None:
    chat = load_format("baichuan2", both[0])
    assert chat.control_ids.isdisjoint(chat.text_ids(text))
    assert chat.decode(chat.text_ids(text)).replace("\u2060", "") == text


# ---- other settings of a model file


@pytest.mark.parametrize(
    "changes",
    [
        {"add_dummy_prefix": True},
        {"add_dummy_prefix": True, "remove_extra_whitespaces": True},
        {"normalization_rule_name": "nmt_nfkc"},
    ],
)
def test_settings_come_from_the_file(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Prefix, spaces and Unicode rules are read, not supposed."""
    model = sentencepiece_bytes(**changes)
    fast = AutoTokenizer.from_pretrained(str(folder_of(model, tmp_path)), local_files_only=True)
    original = sentencepiece.SentencePieceProcessor(model_proto=model)
    for text in ("你好", "  I want to  quit ", "ｆｕｌｌ 12", TEXT, ENGLISH.strip(), ""):
        assert ids(fast, text) == original.encode(text)


def test_the_file_is_read_as_sentencepiece_reads_it() -> None:
    content = sentencepiece_bytes("control")
    model, original = parse(content), sentencepiece.SentencePieceProcessor(model_proto=content)
    assert len(model.pieces) == original.get_piece_size()
    for number, piece in enumerate(model.pieces):
        assert piece.text == original.id_to_piece(number)
        assert piece.score == original.get_score(number)
        assert (piece.kind is Kind.CONTROL) == original.is_control(number)
        assert (piece.kind is Kind.BYTE) == original.is_byte(number)
    assert model.byte_fallback and not model.charsmap
    assert not model.dummy_prefix and not model.squeezes_spaces


@given(st.binary(max_size=60))
def test_bytes_that_are_no_model(content: bytes) -> None:
    with suppress(ValueError):
        assert parse(content).pieces


# ---- the gate


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(each) for each in arguments]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1
    return said.err


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tensors: Tensors) -> Path:
    folder = tmp_path_factory.mktemp("original") / "Baichuan2"
    return write_checkpoint(folder, tensors, sentencepiece_bytes())


def test_a_difference_is_named_and_nothing_is_written(
    tmp_path: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One join is lost: the first text in which it shows is named, and the character."""
    whole = tokenizer.merges
    monkeypatch.setattr(tokenizer, "merges", lambda pieces: whole(pieces)[:-1])
    said = refusal(capsys, source, tmp_path / "llama")
    assert "differs from sentencepiece from character" in said and "nothing was written" in said
    assert not any(tmp_path.iterdir())

    monkeypatch.setattr(check_texts, "BUILT_IN", ())
    lost = "".join(whole(parse((source / "tokenizer.model").read_bytes()).pieces)[-1])
    lost = lost.replace("▁", " ")
    texts = tmp_path / "texts.txt"
    texts.write_text(f"好\n你好{lost}\n", encoding="utf-8")
    said = refusal(capsys, source, tmp_path / "llama", "--check", texts)
    assert "line 2: the converted tokenizer differs" in said and "from character 3 on" in said
    said = refusal(capsys, source, tmp_path / "llama", "--check", lost)
    assert "--check text 1: " in said
    said = refusal(capsys, source, tmp_path / "llama")
    assert ": piece " in said or ": pieces from" in said


def test_dialogues_files_and_texts_can_be_checked(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("一\n二\r\n三", encoding="utf-8")
    corpus = tmp_path / "corpus.jsonl"
    write_dialogues(corpus, [Dialogue(id="a", source="s", lang="zh", messages=DIALOGUE[1:])])
    argv = [str(source), str(tmp_path / "llama"), "--json"]
    counts = []
    for more in ([], ["--check", str(lines), str(corpus), "直接的话"]):
        assert main([*argv, *more]) == 0
        counts.append(json.loads(capsys.readouterr().out)["model"]["compared"]["texts"])
    assert counts[1] - counts[0] == 3 + 4 + 1


def test_check_files_that_cannot_be_read(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "bad.jsonl").write_text("{}\n")
    for name, part in (
        ("missing.txt", "no such file"),
        ("bytes.txt", "not UTF-8"),
        ("bad.jsonl", "bad.jsonl"),
    ):
        said = refusal(capsys, source, tmp_path / "llama", "--check", tmp_path / name)
        assert part in said
    assert not (tmp_path / "llama").exists()


def test_tokenizers_of_other_models_are_refused(
    tmp_path: Path, source: Path, tensors: Tensors, capsys: pytest.CaptureFixture[str]
) -> None:
    right = sentencepiece_bytes()
    others = {
        "unigram": (sentencepiece_bytes(model_type="unigram", vocab_size=600), "not a BPE model"),
        "no markers": (
            right.replace(b"<reserved_106>", b"<reserved_108>"), "id 195 is <reserved_108>"
        ),
        "another kind": (with_kind(right, "<reserved_107>", 4, 5), "id 196 is"),
        "unused": (with_kind(right, "<reserved_1003>", 4, 5), "unused pieces"),
    }  # fmt: skip
    for name, (model, part) in others.items():
        folder = write_checkpoint(tmp_path / name, tensors, model)
        assert part in refusal(capsys, folder, tmp_path / "llama")
    assert not (tmp_path / "llama").exists()
