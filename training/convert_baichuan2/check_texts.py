"""Texts on which the converted tokenizer must give sentencepiece's ids: ours and the user's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mi_arena.dialogue import BadLine, read_dialogues
from mi_arena.jobs.script import BadInput, first_line

BUILT_IN = (
    "我想戒烟，可是每次压力大的时候都忍不住。",
    "听起来你很矛盾：一方面想戒，一方面又离不开它，是吗？",
    "医生說我的血壓太高了，要少鹽、多運動。",
    "Hello, I'd like to cut down on drinking; I've tried 3 times (2019–2024).",
    "don't DON'T Don’t naïve café Straße ÅNGSTRÖM résumé",
    "我昨天喝了2瓶beer，today感觉OK，但boss说deadline是12/31 23:59。",
    "体重从75.5kg降到70kg，用了3个月，BMI≈23.4，花了¥1,234.50。",
    " 前面有一个空格", "后面有一个空格 ", "  两个  空格   三个    四个        八个  ", " ", "     ",
    "\n", "\n\n\n", "第一行\n第二行\r\n第三行\n\n第五行\n", "\t制表\t符\t\t",
    " \n \t \n ", "　全角　空格　",
    "a\u00a0b\u2003c\u200bd\u200de\ufefff\u2028g\u2029h\u0085i",
    "😀😭🙏🏽👨‍👩‍👧‍👦🇨🇳❤️‍🔥 ok👌", "emoji😊在中间🚭也行",
    "𠮷𡃁𪚥龘靐齉㐀䶵", "ㄅㄆㄇ ひらがな カタカナ 한국어 Привет עברית العربية ไทย हिन्दी",
    "ﬁ ½ ① Ⅷ ㎏ ℃ ™ Å é ｆｕｌｌ　ｗｉｄｔｈ，。！？：；“”‘’（）《》【】……——～·",
    "\x00\x01\x07\x1b\x7f", "\ufffd\ufffe\U0010ffff\ue000", "▁ ▁▁ a▁b",
    "<s></s><unk><pad> <0x41><0x0A> [INST] <|im_end|>", "<reserved_106>你好<reserved_107>",
    "<reserved_106", "reserved_107>", "<reserved_0><reserved_105><reserved_999>",
    "1234567890 3.14159 1e-10 0xFF 1,000,000 ２０２４年",
    "for i in range(10):\n    print(f\"{i:>4}\")\n",
    "https://example.org/a_b?c=d&e=%20#f user@example.org C:\\Users\\me",
    "{\"role\": \"user\", \"content\": \"你好\\n\"}", "哈" * 60, "a" * 60, "!?" * 20,
    "-" * 40, "=" * 33,
    "",
)  # fmt: skip
"""Chinese, English, both, every kind of blank, emoji, rare and private characters, role markers."""


@dataclass(frozen=True)
class Text:
    """A text and how to speak of it."""

    where: str
    text: str


def built_in() -> Iterator[Text]:
    for number, text in enumerate(BUILT_IN, 1):
        yield Text(f"built-in text {number}", text)


def given(arguments: Sequence[str]) -> Iterator[Text]:
    """What ``--check`` names: a dialogue JSONL's messages, a file's lines, or the text itself."""
    for number, argument in enumerate(arguments, 1):
        path = Path(argument)
        if not _is_file(path):
            if _looks_like_a_path(argument):
                raise BadInput(f"--check {argument}: no such file")
            yield Text(f"--check text {number}", argument)
            continue
        try:
            if path.name.endswith((".jsonl", ".jsonl.gz")):
                for dialogue in read_dialogues(path):
                    for turn, message in enumerate(dialogue.messages, 1):
                        yield Text(f"{path}: dialogue {dialogue.id}, turn {turn}", message.content)
                continue
            with path.open(encoding="utf-8", newline="") as lines:
                for line, text in enumerate(lines, 1):
                    yield Text(f"{path}: line {line}", text)
        except UnicodeDecodeError:
            raise BadInput(f"--check {path}: not UTF-8 text") from None
        except (BadLine, OSError) as error:
            raise BadInput(f"--check {first_line(error)}") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL, for a name: a text
        return False


def _looks_like_a_path(argument: str) -> bool:
    one_word = not any(sign.isspace() for sign in argument)
    return one_word and argument.endswith((".txt", ".jsonl", ".json", ".gz", ".md", ".csv"))
