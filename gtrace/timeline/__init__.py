"""A Timeline says what a Recording means: every thread in one state at a time."""

from gtrace.timeline.timeline import Timeline

__all__ = ["Timeline"]
