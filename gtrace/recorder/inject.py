"""Adds a call before and after the body of a standard library function, without a frame of ours.

A wrapper function would show in every traceback and stack that passes through it. Instead the
function's own source is compiled again, with the calls added, under its own file name and line
numbers, and its code object is replaced in place.
"""

from __future__ import annotations

import ast
import functools
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

_TOKEN: Final = "__gtrace_token__"


def around(
    function: types.FunctionType, owner: str, before: Callable[..., Any], after: Callable[[Any], None]
) -> bool:
    """Calls ``before`` with the function's arguments and ``after`` with what it gave, also on error.

    ``owner`` is the class the function is defined in. Returns False, and changes nothing, where the
    source at hand is not that of the running code.
    """
    block = _source(function.__code__)
    if block is None or function.__code__.co_freevars:
        return False
    tree = _parse(block, owner)
    if _traits(_compile(tree, function)) != _traits(function.__code__):
        return False
    names = f"__gtrace_before_{function.__name__}__", f"__gtrace_after_{function.__name__}__"
    _add_calls(_definition(tree), names)
    function.__globals__[names[0]], function.__globals__[names[1]] = before, after
    function.__code__ = _compile(tree, function)
    return True


def _traits(code: types.CodeType) -> tuple[object, ...]:
    """What tells whether a source is that of a code object; the bytes may differ by a jump's width."""
    lines = {line for _, _, line in code.co_lines()} - {code.co_firstlineno, code.co_firstlineno + 1}
    return code.co_names, code.co_varnames, repr(code.co_consts), sorted(filter(None, lines))


def _source(code: types.CodeType) -> list[str] | None:
    """The lines of a method, decorators included, as they stand in the file."""
    lines = _lines(code.co_filename)
    first = code.co_firstlineno - 1
    if not 0 <= first < len(lines):
        return None
    indent = len(lines[first]) - len(lines[first].lstrip())
    block = lines[first : first + 1]
    for line in lines[first + 1 :]:
        depth = len(line) - len(line.lstrip())
        is_header = line.lstrip().startswith(("def ", "@")) and depth == indent and not _has_def(block)
        if line.strip() and depth <= indent and not is_header:
            break
        block.append(line)
    return ["\n"] * (first - 1) + block


@functools.cache
def _lines(path: str) -> list[str]:
    """Of a source file; none where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines(keepends=True)
    except (OSError, UnicodeDecodeError):
        return []


def _has_def(block: list[str]) -> bool:
    return any(line.lstrip().startswith("def ") for line in block)


def _parse(block: list[str], owner: str) -> ast.Module:
    """The method in a class of its owner's name, so that columns, lines and mangling stay true."""
    return ast.parse(f"class {owner}:\n" + "".join(block))


def _definition(tree: ast.Module) -> ast.FunctionDef:
    body = tree.body[0].body  # type: ignore[attr-defined]
    definition: ast.FunctionDef = body[0]
    return definition


def _compile(tree: ast.Module, function: types.FunctionType) -> types.CodeType:
    old = function.__code__
    module = compile(tree, old.co_filename, "exec", dont_inherit=True)
    holder = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    return next(c for c in holder.co_consts if isinstance(c, types.CodeType) and c.co_name == old.co_name)


def _add_calls(definition: ast.FunctionDef, names: tuple[str, str]) -> None:
    has_doc = ast.get_docstring(definition, clean=False) is not None
    doc, body = definition.body[:has_doc], definition.body[has_doc:]
    arguments = ", ".join(a.arg for a in definition.args.args)
    added = ast.parse(
        f"{_TOKEN} = {names[0]}({arguments})\ntry:\n    pass\nfinally:\n    {names[1]}({_TOKEN})\n"
    )
    for node in ast.walk(added):
        if isinstance(node, (ast.expr, ast.stmt)):
            node.lineno = node.end_lineno = definition.lineno
            node.col_offset = node.end_col_offset = 0
    protected = added.body[1]
    assert isinstance(protected, ast.Try)
    protected.body = body
    definition.body = [*doc, *added.body]
