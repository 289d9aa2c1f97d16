from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from mi_arena.miti.items import CODES, GLOBALS, SCORES, Items, Wording, items


def wordings(part: object) -> list[Wording]:
    """Every text of the form, however deep."""
    if isinstance(part, Wording):
        return [part]
    if isinstance(part, BaseModel):
        return [one for _, value in part for one in wordings(value)]
    if isinstance(part, dict):
        return [one for value in part.values() for one in wordings(value)]
    if isinstance(part, tuple):
        return [one for value in part for one in wordings(value)]
    return []


def test_the_form_has_every_item_in_its_order() -> None:
    form = items()
    assert GLOBALS == ("CCT", "SST", "PARTNERSHIP", "EMPATHY")
    assert tuple(item.key for item in form.globals) == GLOBALS
    assert tuple(item.code for item in form.codes) == CODES
    assert "".join(item.key for item in form.codes) == "GPWQSCAKEX"
    assert tuple(form.scores) == SCORES
    assert "4.2.1" in form.citation and "Moyers" in form.citation and "2015" in form.citation
    assert form is items()


def test_every_text_is_there_in_both_languages() -> None:
    texts = wordings(items())
    # Per global a name, a hint and five anchors; per code a name, a definition and an example.
    assert len(texts) == 4 * 7 + 10 * 3 + len(SCORES) + 2
    for text in texts:
        assert any("\u4e00" <= one <= "\u9fff" for one in text.zh), text
        assert not any("\u4e00" <= one <= "\u9fff" for one in text.en), text
        assert (text.of("zh"), text.of("en")) == (text.zh, text.en)
    assert len({text.en for text in texts}) == len({text.zh for text in texts}) == len(texts)


def test_names_of_the_field() -> None:
    form = items()
    assert form.name("SST") == Wording(zh="软化持续语句", en="Softening Sustain Talk")
    assert form.name("EMPHASIZE") == Wording(zh="支持自主性", en="Emphasizing Autonomy")
    assert form.name("PERSUADE_WITH").zh == "经许可的劝说"


def test_cautions_tell_of_short_segments_and_of_thresholds() -> None:
    cautions = items().cautions
    assert "2-5 minutes" in cautions["short_segment"].en
    assert "expert opinion" in cautions["thresholds"].en


@pytest.mark.parametrize("damage", ["order", "key", "anchor", "caution"])
def test_a_damaged_form_is_refused(damage: str) -> None:
    form = items().model_dump()
    if damage == "order":
        form["codes"] = form["codes"][::-1]
    elif damage == "key":
        form["codes"][1]["key"] = "G"
    elif damage == "anchor":
        form["globals"][0]["anchors"] = form["globals"][0]["anchors"][:4]
    else:
        del form["cautions"]["thresholds"]
    with pytest.raises(ValidationError):
        Items.model_validate(form)
