"""Which locks the statement a frame stands in waits for or is inside of, told by its source."""

from __future__ import annotations

import ast
import functools
import opcode
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Module

ENTER: Final = tuple(opcode.opmap[name] for name in ("SETUP_WITH", "BEFORE_WITH") if name in opcode.opmap)
"""What enters a ``with``; from 3.14 on it is a call like any other, with a position of its own."""
SPECIAL: Final = opcode.opmap.get("LOAD_SPECIAL")
METHODS: Final = frozenset({"acquire", "__enter__"})
LISTS: Final = ("body", "orelse", "handlers", "finalbody", "cases")
SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Place:
    """Where in its source a frame stands: lines, and columns where the interpreter keeps them (3.11)."""

    def __init__(self, frame: types.FrameType) -> None:
        self.code, self.offset = frame.f_code, frame.f_lasti
        self.line = self.end_line = frame.f_lineno
        self.column: int | None = None
        self.end_column: int | None = None
        if hasattr(self.code, "co_positions"):
            positions = list(self.code.co_positions())[self.offset // 2]
            if None not in positions:
                self.line, self.end_line, self.column, self.end_column = positions

    def is_at(self, node: ast.expr | ast.stmt) -> bool:
        """Whether the instruction is that of ``node``, or by its line alone may be."""
        if self.column is None:
            return node.lineno <= self.line <= (node.end_lineno or node.lineno)
        span = (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)
        return span == (self.line, self.end_line, self.column, self.end_column)

    def is_in(self, nodes: list[ast.stmt]) -> bool:
        """Whether the instruction belongs to one of the statements ``nodes``, which follow each other."""
        if not nodes:
            return False
        first, last = nodes[0], nodes[-1]
        if self.column is None:
            return first.lineno <= self.line <= (last.end_lineno or last.lineno)
        start = (first.lineno, first.col_offset)
        return start <= (self.line, self.column) <= (last.end_lineno or 0, last.end_col_offset or 0)

    def entered(self) -> int | None:
        """Which item of the ``with`` it stands at is being entered; None where it does not say."""
        code = self.code.co_code
        if code[self.offset] not in ENTER:
            return None
        lines = {offset: line for start, end, line in self.code.co_lines() for offset in range(start, end)}
        same = [
            offset
            for offset in range(0, self.offset + 1, 2)
            if code[offset] in ENTER and lines.get(offset) == lines.get(self.offset)
        ]
        return len(same) - 1


def awaited(frame: types.FrameType) -> tuple[ast.expr, ast.Call | None] | None:
    """The lock that ``frame`` takes where it stands, as an expression, and the call if it is one.

    None where it takes none, or where the source at hand does not tell.
    """
    function = _function(frame.f_code) if _may_take(frame) else None
    if function is None:
        return None
    place = Place(frame)
    for node in _own_nodes(function):
        if isinstance(node, ast.With):
            item = _entered_item(node, place)
            if item is not None:
                return item, None
    calls = [
        node
        for node in _own_nodes(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in METHODS
        and place.is_at(node)
    ]
    if len(calls) != 1:
        return None
    taken = calls[0].func
    assert isinstance(taken, ast.Attribute)
    return taken.value, calls[0]


def _may_take(frame: types.FrameType) -> bool:
    """Whether it is worth reading the source: the code enters a ``with`` there, or calls such methods."""
    code = frame.f_code.co_code
    by_with = SPECIAL in code[::2] if SPECIAL is not None else code[frame.f_lasti] in ENTER
    return by_with or not METHODS.isdisjoint(frame.f_code.co_names)


def _entered_item(statement: ast.With, place: Place) -> ast.expr | None:
    items = [item.context_expr for item in statement.items]
    number = place.entered()
    if number is None:  # from 3.14 on
        at = [item for item in items if not isinstance(item, ast.Call) and place.is_at(item)]
        return at[0] if place.column is not None and len(at) == 1 else None
    exact = [item for item in items if place.column is not None and place.is_at(item)]
    if exact:  # 3.13
        return exact[0]
    begins = (statement.lineno, statement.col_offset)
    at_statement = place.column is None or begins == (place.line, place.column)
    if place.line != statement.lineno or not at_statement:
        return None
    return items[number] if number < len(items) else None


def had(frame: types.FrameType) -> list[tuple[ast.expr, ast.stmt]]:
    """The locks that ``frame`` has taken by the statements around and before it, and not given back.

    Each comes with the statement that took it. They are those of every ``with`` whose body it is in, and
    of every plain ``x.acquire()`` that it cannot have come past without doing it, where no
    ``x.release()`` stands between.
    """
    function = _function(frame.f_code)
    if function is None:
        return []
    return list(_taken(function.body, Place(frame)))


def _taken(statements: list[ast.stmt], place: Place) -> Iterator[tuple[ast.expr, ast.stmt]]:
    for number, statement in enumerate(statements):
        if place.is_in([statement]):
            yield from _acquired(statements[:number], statements[number:], place)
            if isinstance(statement, ast.With):
                yield from ((item, statement) for item in _of_with(statement, place))
            for nested in _bodies(statement):
                yield from _taken(nested, place)
            return


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The lists of statements in a statement, not those of functions and classes defined in it."""
    if isinstance(statement, SCOPES):
        return
    for name in LISTS:
        parts = getattr(statement, name, [])
        if parts and isinstance(parts[0], ast.stmt):
            yield parts
        else:  # handlers of exceptions, and cases
            yield from (part.body for part in parts)


def _of_with(statement: ast.With, place: Place) -> Iterator[ast.expr]:
    items = [item.context_expr for item in statement.items]
    if place.is_in(statement.body):
        # a body on the same line cannot be told from the line alone
        if place.column is not None or statement.body[0].lineno > (items[-1].end_lineno or 0):
            yield from (item for item in items if not _is_set(item, statement.body))
        return
    entered = _entered_item(statement, place)
    if entered is not None:
        yield from items[: items.index(entered)]


def _acquired(
    before: list[ast.stmt], rest: list[ast.stmt], place: Place
) -> Iterator[tuple[ast.expr, ast.stmt]]:
    for number, statement in enumerate(before):
        value = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(value, ast.Call) or value.args or value.keywords:
            continue
        taken, following = value.func, [*before[number + 1 :], *rest]
        if isinstance(taken, ast.Attribute) and taken.attr == "acquire":
            released = _is_released(taken.value, following, place.line)
            if not released and not _is_set(taken.value, following):
                yield taken.value, statement


def _is_released(lock: ast.expr, statements: list[ast.stmt], line: int) -> bool:
    """Whether ``lock.release`` stands in ``statements`` up to ``line``."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "release"
        and node.lineno <= line
        and ast.dump(node.value) == ast.dump(lock)
        for statement in statements
        for node in ast.walk(statement)
    )


def _is_set(taken: ast.expr, statements: list[ast.stmt]) -> bool:
    """Whether a name in it is set by ``statements``, so that it may mean another object by now."""
    used = {node.id for node in ast.walk(taken) if isinstance(node, ast.Name)}
    return any(
        isinstance(node, ast.Name) and node.id in used and isinstance(node.ctx, (ast.Store, ast.Del))
        for statement in statements
        for node in ast.walk(statement)
    )


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions and classes in it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, SCOPES):
            waiting.extend(ast.iter_child_nodes(node))


def _function(code: types.CodeType) -> Function | None:
    """The definition whose code is running; None where the source at hand compiles to another."""
    tree, compiled = _source(code.co_filename)
    if tree is None or code not in compiled:
        return None
    if code.co_name == "<module>":
        return tree
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = node.decorator_list[0] if node.decorator_list else node
            if first.lineno == code.co_firstlineno:
                return node
    return None


@functools.lru_cache(maxsize=64)
def _source(path: str) -> tuple[ast.Module | None, frozenset[types.CodeType]]:
    """The tree of a source file and all code it compiles to; none where it cannot be had."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
        module = compile(tree, path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None, frozenset()
    return tree, frozenset(_nested(module))


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)
