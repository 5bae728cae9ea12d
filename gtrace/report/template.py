"""The package's templates and files, read once."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def template(name: str) -> Template:
    """The template ``name``; every value it shows is escaped unless it is ``Markup``."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_text),
    )
    return environment.get_template(name)


@cache
def asset(name: str) -> Markup:
    """The text of the package's own file ``name``, fit to stand in a page as it is."""
    return Markup(_text(name))  # noqa: S704 - a file of this package


def _text(name: str) -> str:
    return (resources.files("gtrace.report") / name).read_text("utf-8")
