"""What the C compiler makes of a header file, for readers that say the same in Python."""

from __future__ import annotations

import subprocess
from pathlib import Path

from agent_support import compile_c

PROBE = """#include <stddef.h>
#include <stdio.h>
#include "{header}"
int main(void) {{ {lines} puts({text}); return 0; }}
"""


def values_in_c(header: Path, names: list[str], text: str, folder: Path) -> tuple[dict[str, int], bytes]:
    """The numbers that the expressions ``names`` are, and the string ``text``; compiled in ``folder``."""
    lines = "".join(f'printf("%lld\\n", (long long)({name}));' for name in names)
    probe = folder / "probe.c"
    probe.write_text(PROBE.format(header=header, lines=lines, text=text))
    program = compile_c(folder / "probe", [probe])
    *found, last = subprocess.run([program], capture_output=True, check=True).stdout.splitlines()
    return dict(zip(names, map(int, found), strict=True)), last
