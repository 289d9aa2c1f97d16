"""A model's answer read as a dialogue, or a named reason why it isn't one."""

from __future__ import annotations

from typing import Any

from mi_arena.dialogue import Message
from mi_arena.llm.dead_letters import Failure
from mi_arena.llm.json_reply import Missing, NoJson, json_in
from training.transcribe.checks import REFUSAL

_REASONS: dict[Missing, Failure] = {
    "empty": Failure("empty", "回复是空的。"),
    "no_json": Failure("no_json", "回复里没有 JSON 对象。"),
    "cut": Failure("cut", "JSON 没有写完就中断了，请把对话写得紧凑一些，并输出完整的 JSON。"),
    "broken": Failure("broken_json", "JSON 写法有误，或没有 messages 列表。"),
}


class Unreadable(ValueError):
    """The answer is no dialogue."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.kind)
        self.failure = failure


def dialogue_in(text: str, finish: str = "stop", refused: bool = False) -> list[Message]:
    """The messages of an answer, blanks around them removed. Raises ``Unreadable``."""
    if refused or finish == "content_filter":
        raise Unreadable(Failure("refusal", "回复是拒绝，而不是改写。"))
    try:
        found = json_in(text, having="messages")
    except NoJson as missing:
        if missing.kind == "no_json" and REFUSAL.search(text):
            raise Unreadable(Failure("refusal", "回复是拒绝，而不是改写。")) from None
        if finish == "length":
            raise Unreadable(_REASONS["cut"]) from None
        raise Unreadable(_REASONS[missing.kind]) from None
    listed = found["messages"] if isinstance(found, dict) else found
    if not isinstance(listed, list) or not listed:
        raise Unreadable(Failure("broken_json", "messages 应当是一个不为空的列表。"))
    return [_message(number, entry) for number, entry in enumerate(listed, 1)]


def _message(number: int, entry: Any) -> Message:
    if not isinstance(entry, dict) or not isinstance(entry.get("content"), str):
        raise Unreadable(Failure("broken_json", f"第{number}条消息缺少 content，或它不是文字。"))
    role = entry.get("role")
    if role not in ("client", "counselor"):
        raise Unreadable(Failure("role", f"第{number}条消息的 role 只能是 client 或 counselor。"))
    text = entry["content"].encode("utf-8", "replace").decode("utf-8")
    return Message(role=role, content=text.strip())
