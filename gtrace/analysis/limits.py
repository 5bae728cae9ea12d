"""Limits on the numbers of a run, as one may ask for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gtrace.analysis.measures import BY_KEY, STATE_MEASURES, Measure, Unit
from gtrace.errors import UsageError


class Form(Enum):
    """How a limit may be given."""

    SHARE = "20%"
    """Of the time of all threads."""
    AMOUNT = "50ms"
    CHANGE_SHARE = "+10%"
    """On top of the baseline."""
    CHANGE_AMOUNT = "+50ms"


CHANGES: Final = (Form.CHANGE_SHARE, Form.CHANGE_AMOUNT)
_NOT_SHARES: Final = (Form.AMOUNT, *CHANGES)
_ALL: Final = tuple(Form)


@dataclass(frozen=True)
class Limit:
    """One option of ``gtrace check``: a measure, on which side it must stay, and how the limit is given."""

    option: str
    measure: Measure
    forms: tuple[Form, ...]
    least: bool = False
    """Whether the measure must reach the limit, not stay within it."""


LIMITS: Final = (
    *(Limit(f"--max-{measure.key.replace('_', '-')}", measure, _ALL) for measure in STATE_MEASURES),
    Limit("--max-wall", BY_KEY["wall"], _NOT_SHARES),
    Limit("--min-cores", BY_KEY["cores"], _NOT_SHARES, least=True),
    Limit("--max-longest-hold", BY_KEY["longest_hold"], _NOT_SHARES),
    Limit("--max-longest-gil-wait", BY_KEY["longest_gil_wait"], _NOT_SHARES),
    Limit("--max-handoffs", BY_KEY["handoffs"], _NOT_SHARES),
    Limit("--max-threads", BY_KEY["threads"], _NOT_SHARES),
    Limit("--max-lost", BY_KEY["lost"], _NOT_SHARES),
)
BY_OPTION: Final = {limit.option: limit for limit in LIMITS}
_SCALES: Final[dict[Unit, dict[str, float]]] = {
    Unit.SECONDS: {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0},
    Unit.CORES: {"": 1.0},
    Unit.PER_SECOND: {"": 1.0, "/s": 1.0},
    Unit.COUNT: {"": 1.0},
}
_EXAMPLES: Final = {Unit.SECONDS: "50ms", Unit.CORES: "1.5", Unit.PER_SECOND: "1000/s", Unit.COUNT: "10"}
_TEXT: Final = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]+)?|\.[0-9]+) ?(%|/s|[a-zµ]*)")


@dataclass(frozen=True)
class Bound:
    """A limit with its value: a share of one, or an amount in the measure's unit."""

    limit: Limit
    form: Form
    value: float
    text: str


def parse_bound(limit: Limit, text: str) -> Bound:
    """The bound that ``text`` asks for; raises UsageError where it makes no sense."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise _senseless(limit, text)
    sign, number, unit = found.groups()
    share = unit == "%"
    form = {
        (True, True): Form.CHANGE_SHARE,
        (True, False): Form.CHANGE_AMOUNT,
        (False, True): Form.SHARE,
    }.get((bool(sign), share), Form.AMOUNT)
    scale = 0.01 if share else _SCALES[limit.measure.unit].get(unit)
    if form not in limit.forms or scale is None:
        raise _senseless(limit, text)
    value = float(number) * scale * (-1 if sign == "-" else 1)
    if (form is Form.SHARE and value > 1) or (value <= -1 and form is Form.CHANGE_SHARE):
        raise _senseless(limit, text)
    return Bound(limit, form, value, text.strip())


def _senseless(limit: Limit, text: str) -> UsageError:
    example = _EXAMPLES[limit.measure.unit]
    ways = {
        Form.SHARE: "20% of the threads' time",
        Form.AMOUNT: example,
        Form.CHANGE_SHARE: "+10% on top of --baseline",
        Form.CHANGE_AMOUNT: f"+{example}",
    }
    return UsageError(f"not a limit: {limit.option} {text}: say {' or '.join(ways[f] for f in limit.forms)}")
