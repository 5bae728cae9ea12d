"""Makes the pictures of docs/gallery.md: five recordings, each at three zooms.

Needs gtrace with its ``test`` extra, waitress and Chromium; run it as ``python docs/gallery.py``.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT: Final = Path(__file__).parents[1]
PICTURES: Final = ROOT / "docs" / "gallery"
WIDTH, HEIGHT = 1280, 900
ZOOMS: Final = {"whole": 1.0, "tenth": 0.1, "hand-off": 0.01}
ATTEMPTS: Final = 3
RUNS: Final = {
    "cpu-bound": "workloads/cpu_bound.py",
    "io-bound": "workloads/io_bound.py",
    "convoy": "workloads/mixed.py",
    "lock-bound": "workloads/lock_contention.py",
    "web-server": "docs/gallery/web_server.py",
}


LOOK_FOR: Final = {
    "cpu-bound": (
        "Two threads compute, and the strip of cores in use hardly rises above one: while one is "
        "green, the other is orange. The GIL goes from one to the other about every switch "
        "interval."
    ),
    "io-bound": (
        "Four workers wait at the same time and hardly ever for each other: pale all over, no orange."
    ),
    "convoy": (
        "Each time an I/O thread's wait is over, it waits again, orange, for as long as the "
        "computing thread keeps the GIL: about a switch interval."
    ),
    "lock-bound": (
        "Of four threads one sleeps with the lock in its hand while three wait for it, purple; "
        "the cores have nothing to do."
    ),
    "web-server": (
        "Four workers of waitress under eight clients: the waits for the answer from elsewhere "
        "overlap, and in between SQLite lets go of the GIL at every row, so that the workers meet "
        "at it every few microseconds."
    ),
}
"""What a newcomer should see in the pictures."""


def record(name: str, folder: Path) -> tuple[Path, dict]:
    """The page and the summary of the run, of ``ATTEMPTS``, from which other programs took least time."""
    runs = [record_once(name, folder / str(attempt)) for attempt in range(ATTEMPTS)]
    return min(runs, key=lambda run: preempted(run[1]))


def record_once(name: str, folder: Path) -> tuple[Path, dict]:
    """The page and the summary of a fresh run."""
    folder.mkdir(exist_ok=True)
    page, summary = folder / f"{name}.html", folder / f"{name}.json"
    command = [sys.executable, "-m", "gtrace", "run", "--quiet", "-o", folder / f"{name}.gtrace"]
    command += ["--report", page, "--json", summary, RUNS[name]]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return page, json.loads(summary.read_text())


def preempted(summary: dict) -> float:
    """Seconds in which threads could run and were off the core."""
    return sum(thread["states_s"]["preempted"] for thread in summary["threads"])


def shoot(browser: Browser, page: Path, wall_s: float) -> None:
    """The top of the page, and its timeline at the smaller zooms, as pictures."""
    middle = 0.5 * wall_s * 1e9
    for zoom, share in ZOOMS.items():
        half = 0.5 * share * wall_s * 1e9
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(f"{page.as_uri()}#t={round(middle - half)}-{round(middle + half)}")
        tab.wait_for_selector("html[data-ready=charts]", state="attached")
        box = tab.locator("#timeline").bounding_box()
        if box is None:
            raise SystemExit("the page has no timeline")
        top = 0 if zoom == "whole" else box["y"]
        clip = {"x": 0, "y": top, "width": WIDTH, "height": box["y"] + box["height"] - top}
        tab.screenshot(path=PICTURES / f"{page.stem}-{zoom}.png", full_page=True, clip=clip)
        tab.close()


def describe(name: str, summary: dict) -> str:
    """The section of the gallery for one recording."""
    script = RUNS[name]
    pictures = "\n\n".join(f"![{name}, {zoom}](gallery/{name}-{zoom}.png)" for zoom in ZOOMS)
    says = f"`gtrace run {script}` says:\n\n> {summary['verdict']['text']}"
    return f"## {name}\n\n{says}\n\n{LOOK_FOR[name]}\n\n{pictures}\n"


def main() -> None:
    """Records and shoots everything, and writes the page that shows it."""
    head = (
        "# Five recordings, at three zooms\n\nMade by `python docs/gallery.py`: the whole run with its"
        " verdict, a tenth of it, a hundredth of it.\n"
    )
    sections = [head]
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in RUNS:
            page, summary = record(name, Path(place))
            shoot(browser, page, summary["wall_s"])
            sections.append(re.sub(re.escape(str(ROOT)) + "/", "", describe(name, summary)))
        browser.close()
    (ROOT / "docs" / "gallery.md").write_text("\n".join(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
