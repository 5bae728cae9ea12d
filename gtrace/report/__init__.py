"""Timeline to page; the only package that knows HTML, plotly and escaping."""

from __future__ import annotations

from gtrace.report.page import render
from gtrace.report.part import Span

__all__ = ["Span", "render"]
