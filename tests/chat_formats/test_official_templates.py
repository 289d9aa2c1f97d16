"""Against the families' own chat templates, where they say the same in Jinja.

The templates say what the published ones say of a plain conversation: no tools, no default system
prompt (Qwen's), no metadata (GLM-4's). The rendered text is encoded as the families do.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.chat_formats import load_format
from mi_arena.chat_formats.families import PROVIDER_ROLES
from mi_arena.dialogue import Message, Role
from tests.chat_formats.toy_tokenizers import byte_level

TEMPLATES = {
    "llama3": (
        "{% for message in messages %}{% if loop.first %}<|begin_of_text|>{% endif %}"
        "<|start_header_id|>{{ message['role'] }}<|end_header_id|>{{ '\n\n' }}"
        "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>{{ '\n\n' }}"
        "{% endif %}"
    ),
    "chatml": (
        "{% for message in messages %}<|im_start|>{{ message['role'] + '\n' + message['content'] }}"
        "<|im_end|>{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant{{ '\n' }}{% endif %}"
    ),
    "glm4": (
        "[gMASK]<sop>{% for item in messages %}<|{{ item['role'] }}|>{{ '\n' + item['content'] }}"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    ),
}
TOKENIZERS = {family: byte_level(family) for family in TEMPLATES}

# Stripped, as every text is on its way in; without markers, which the formats take for text
# and a template for roles; that difference has tests of its own.
TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    .map(str.strip)
    .filter(lambda text: text and "<|" not in text and "[" not in text and "<" not in text)
)


def official(family: str, messages: list[Message], *, prompt: bool) -> list[int]:
    tokenizer = TOKENIZERS[family]
    text = tokenizer.apply_chat_template(
        [{"role": PROVIDER_ROLES[m.role], "content": m.content} for m in messages],
        chat_template=TEMPLATES[family],
        add_generation_prompt=prompt,
        tokenize=False,
    )
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("family", sorted(TEMPLATES))
@settings(deadline=None, max_examples=60)
@given(texts=st.lists(TEXTS, min_size=2, max_size=6))
def test_ids_are_those_of_the_template(family: str, texts: list[str]) -> None:
    roles: list[Role] = ["system", "client", "counselor", "client", "counselor", "client"]
    messages = [Message(role=r, content=t) for r, t in zip(roles, texts, strict=False)]
    chat_format = load_format(family, TOKENIZERS[family])
    if messages[-1].role == "client":
        assert chat_format.prompt_ids(messages) == official(family, messages, prompt=True)
    else:
        whole = official(family, messages, prompt=False)
        ours = chat_format.example(messages).input_ids
        # GLM-4's reply ends at the next <|user|>, which a template doesn't render.
        assert ours[: len(whole)] == whole
        assert len(ours) - len(whole) == (1 if family == "glm4" else 0)
