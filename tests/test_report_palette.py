from __future__ import annotations

import itertools
from dataclasses import asdict

import numpy as np
import pytest

from gtrace.model import State
from gtrace.report.palette import COLOURS, LABELS, css_variables

# Machado, Oliveira and Fernandes (2009), full severity, on linear RGB, row by row
VISION = {
    "full": "1 0 0  0 1 0  0 0 1",
    "protanopia": "0.152286 1.052583 -0.204868  0.114503 0.786281 0.099216  -0.003882 -0.048116 1.051998",
    "deuteranopia": "0.367322 0.860646 -0.227968  0.280085 0.672501 0.047413  -0.011820 0.042940 0.968881",
    "tritanopia": "1.255528 -0.076749 -0.178779  -0.078411 0.930809 0.147602  0.004733 0.691367 0.303900",
}
TO_LMS = """
    0.4122214708 0.5363325363 0.0514459929
    0.2119034982 0.6806995451 0.1073969566
    0.0883024619 0.2817188376 0.6299787005
"""
TO_OKLAB = """
    0.2104542553 0.7936177850 -0.0040720468
    1.9779984951 -2.4285922050 0.4505937099
    0.0259040371 0.7827717662 -0.8086757660
"""
APART = 9.0
"""Distance in OKLab, times 100, from which two fills side by side are told apart at a glance."""
PAGE = {"light": "#ffffff", "dark": "#14171b"}


def matrix(text: str) -> np.ndarray:
    return np.array(text.split(), float).reshape(3, 3)


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    return matrix(TO_OKLAB) @ np.cbrt(matrix(TO_LMS) @ np.clip(rgb, 0, 1))


@pytest.mark.parametrize("theme", PAGE)
@pytest.mark.parametrize("vision", VISION)
def test_any_two_states_are_told_apart(theme, vision):
    seen = {state: oklab(matrix(VISION[vision]) @ linear(asdict(COLOURS[state])[theme])) for state in State}
    close = {
        f"{a.value}/{b.value}": round(distance, 1)
        for a, b in itertools.combinations(State, 2)
        if (distance := 100 * float(np.linalg.norm(seen[a] - seen[b]))) < APART
    }
    assert not close


@pytest.mark.parametrize("theme", PAGE)
def test_every_state_stands_out_from_the_page(theme):
    page = oklab(linear(PAGE[theme]))
    for state in State:
        if state is not State.UNKNOWN:  # striped, so that it need not
            assert 100 * np.linalg.norm(oklab(linear(asdict(COLOURS[state])[theme])) - page) > 13, state


def test_every_state_has_a_label_and_a_variable():
    assert set(LABELS) == set(COLOURS) == set(State)
    assert css_variables("light").count("--state-") == len(State)
