"""Ends by an error that came of another one."""


def inner():
    raise ValueError("from inner")


def outer():
    try:
        inner()
    except ValueError as error:
        raise RuntimeError("from outer") from error


outer()
