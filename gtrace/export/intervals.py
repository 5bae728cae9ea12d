"""The intervals table as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd


def write_parquet(intervals: pd.DataFrame, path: Path) -> None:
    """Columns and types as the table has them; categories become dictionaries."""
    intervals.to_parquet(path, index=False, compression="zstd")


def write_csv(intervals: pd.DataFrame, path: Path) -> None:
    """Text with a header line; a missing ``gil`` is an empty field."""
    intervals.to_csv(path, index=False, encoding="utf-8")


WRITERS: Final[dict[str, Callable[[pd.DataFrame, Path], None]]] = {
    ".parquet": write_parquet,
    ".csv": write_csv,
}
