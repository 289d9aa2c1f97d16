"""Messages with a role each: OpenAI messages, ShareGPT, PsyDTCorpus, and SmileChat as published.

Keys beside role and text travel along in the message; keys beside the messages, in ``meta``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mi_arena.dialogue import Message, Role
from training.corpora.readers.documents import described
from training.corpora.readers.found import Faulty, Found, NotThis, dialogue, joined_id, message
from training.corpora.sources import Entry

OPENAI: Mapping[str, Role] = {"system": "system", "user": "client", "assistant": "counselor"}
SHAREGPT: Mapping[str, Role] = {
    **OPENAI,
    "human": "client",
    "gpt": "counselor",
    "chatgpt": "counselor",
    "bot": "counselor",
    "model": "counselor",
}
OURS: Mapping[str, Role] = {"system": "system", "client": "client", "counselor": "counselor"}


def messages_of(
    listed: object, roles: Mapping[str, Role], role_key: str, text_key: str
) -> list[Message]:
    """The messages of a list of objects. Raises ``Faulty`` at the first that isn't one."""
    if not isinstance(listed, list):
        raise Faulty(f"the messages are {described(listed)}")
    made = []
    for number, one in enumerate(listed, 1):
        if not isinstance(one, dict) or role_key not in one or text_key not in one:
            raise Faulty(f"message {number} has no {role_key} and {text_key}: {described(one)}")
        role = one[role_key]
        if not isinstance(role, str) or role not in roles:
            raise Faulty(f"message {number} has the {role_key} {role!r}, not {', '.join(roles)}")
        extra = {key: value for key, value in one.items() if key not in (role_key, text_key)}
        made.append(message(roles[role], _text(one[text_key]), number, extra))
    return made


def _text(content: object) -> object:
    """OpenAI content may be a list of parts; those of type text are its text."""
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
        for part in content
    ):
        return "\n".join(part["text"] for part in content)
    return content


def _meta(value: Mapping[str, Any], *taken: str) -> dict[str, Any]:
    return {key: one for key, one in value.items() if key not in taken}


def _own_id(value: Mapping[str, Any]) -> str | None:
    """The entry's own id, where it has a usable one."""
    own = value.get("id")
    return str(own) if isinstance(own, int | str) and str(own).strip() else None


def openai(value: object, entry: Entry, number: int, source: str) -> Found:
    """``{"messages": [{"role", "content"}…]}``, or such a list alone."""
    if isinstance(value, list) and value and isinstance(value[0], dict) and "role" in value[0]:
        value = {"messages": value}
    if not isinstance(value, dict) or "messages" not in value:
        raise NotThis(described(value))
    if described(value).endswith(")"):  # a dialogue file of this project
        raise NotThis(described(value))
    messages = messages_of(value["messages"], OPENAI, "role", "content")
    identity = joined_id(source, entry.stem, _own_id(value) or number)
    return Found(dialogue(identity, source, messages, _meta(value, "id", "messages")))


def sharegpt(value: object, entry: Entry, number: int, source: str) -> Found:
    """``{"conversations": [{"from", "value"}…]}``; a ``system`` beside them comes first."""
    if not isinstance(value, dict):
        raise NotThis(described(value))
    key = "conversations" if "conversations" in value else "conversation"
    listed = value.get(key)
    if not isinstance(listed, list) or (
        listed and not (isinstance(listed[0], dict) and "from" in listed[0])
    ):
        raise NotThis(described(value))
    messages = messages_of(listed, SHAREGPT, "from", "value")
    system = value.get("system")
    if isinstance(system, str) and system.strip():
        messages.insert(0, message("system", system, 1))
    identity = joined_id(source, entry.stem, _own_id(value) or number)
    return Found(dialogue(identity, source, messages, _meta(value, "id", key, "system")))


def psydt(value: object, entry: Entry, number: int, source: str) -> Found:
    """OpenAI messages with a ``normalizedTag``, which becomes the topic."""
    if not isinstance(value, dict) or not {"messages", "normalizedTag"} <= value.keys():
        raise NotThis(described(value))
    messages = messages_of(value["messages"], OPENAI, "role", "content")
    own = _own_id(value)
    meta = {"topic": value["normalizedTag"], **_meta(value, "id", "messages", "normalizedTag")}
    return Found(
        dialogue(joined_id("psydt", *(own or entry.stem, number)[: 1 if own else 2]),
                 source, messages, meta)
    )  # fmt: skip


def smilechat(value: object, entry: Entry, number: int, source: str) -> Found:
    """One dialogue a file, ``data/12.json`` is ``smile-12`` as in cleaned files.

    The ``annotation`` that repeats a message sentence by sentence without a label is left out.
    """
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        raise NotThis(described(value))
    if value[0].get("role") not in OURS:
        raise NotThis(described(value))
    messages = messages_of([_unannotated(one) for one in value], OURS, "role", "content")
    identity = joined_id("smile", entry.stem, *([number] if number > 1 else []))
    return Found(dialogue(identity, source, messages, {}))


def _unannotated(one: object) -> object:
    if isinstance(one, dict) and isinstance(one.get("annotation"), list):
        parts = one["annotation"]
        said = "".join(str(part.get("sentence")) for part in parts if isinstance(part, dict))
        content = one.get("content")
        if (
            all(isinstance(part, dict) and not part.get("label") for part in parts)
            and isinstance(content, str)
            and "".join(said.split()) == "".join(content.split())
        ):
            return {key: value for key, value in one.items() if key != "annotation"}
    return one
