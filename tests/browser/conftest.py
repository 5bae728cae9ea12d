"""A browser for the tests of this folder, and pages opened in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gtrace.report import render

sys.path.insert(0, str(Path(__file__).parent))
from chromium import browser
from pages import TABLES, Opened


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture
def open_page(chromium, tmp_path):
    contexts = []

    def opened(known, *, width=1280, theme="light", fragment="", ready=TABLES, span=None):
        path = tmp_path / "page.html"
        path.write_text(render(known, span), encoding="utf-8")
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        complaints, requests = [], []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector(ready, state="attached")
        return Opened(page, complaints, requests)

    yield opened
    for context in contexts:
        context.close()
