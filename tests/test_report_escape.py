from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrace.report.escape import safe_text, script_json

ANY_TEXT = st.text(st.characters(), max_size=30)


@given(ANY_TEXT)
def test_safe_text_can_always_be_encoded_and_is_stable(text):
    shown = safe_text(text)
    assert shown.encode("utf-8").decode() == shown
    assert safe_text(shown) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("worker-0", "worker-0"),
        ("Grüße 🐍", "Grüße 🐍"),
        ("\udcff", "\\udcff"),
        ("a\x00b\x1b[31m", "a\\x00b\\x1b[31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_names_are_shown_as_they_are_unless_they_cannot_be(name, shown):
    assert safe_text(name) == shown


@given(
    st.recursive(
        ANY_TEXT | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)
    )
)
def test_script_json_says_the_same_without_ending_a_script(data):
    text = script_json(data)
    assert not set("<>&\u2028\u2029") & set(text)
    assert text.isascii()
    assert json.loads(text) == data
