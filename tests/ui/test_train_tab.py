"""The Train tab in a browser: a fine-tune begun, watched, stopped, resumed, served; errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mi_arena.jobs.finetune_form import FORM, config_of, form_values, recipes
from mi_arena.jobs.viewing import metrics
from tests.small_dialogues import small_dialogues
from tests.ui.conftest import DESKTOP, PHONE, TIMEOUT, Site, invite, open_page, sign_in

pytestmark = pytest.mark.browser


def open_train(chrome: Browser, site: Site, size: dict[str, int] = DESKTOP) -> Page:
    """The tab as a new admin sees it."""
    code, _ = invite(site, "admin")
    page = open_page(chrome, site.url, size=size)
    sign_in(page, code)
    page.get_by_role("tab", name=re.compile("^(训练|Train)$")).click()
    expect(page.locator("#train-run")).not_to_be_empty()
    expect(page.locator("#train-yaml")).to_contain_text("mi_zh/train.jsonl")
    return page
