"""Makes the picture in the README: records a workload, opens its page in Chromium, writes docs/page.png.

Needs gtrace with its ``test`` extra and Chromium; run it as ``python docs/screenshot.py [WORKLOAD]``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

ROOT: Final = Path(__file__).parents[1]
PICTURE: Final = ROOT / "docs" / "page.png"
WIDTH, HEIGHT = 1280, 900


def record(workload: str, folder: Path) -> Path:
    """The page of a fresh run of a workload."""
    page = folder / f"{workload}.html"
    script = f"workloads/{workload}.py"
    recording = folder / f"{workload}.gtrace"
    command = [sys.executable, "-m", "gtrace", "run", "-o", recording, "--report", page, script]
    subprocess.run(command, cwd=ROOT, check=True)
    return page


def shoot(page: Path) -> None:
    """The page from its top to the end of the timeline, as a picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready=charts]", state="attached")
        timeline = tab.locator("#timeline").bounding_box()
        if timeline is None:
            raise SystemExit("the page has no timeline")
        bottom = timeline["y"] + timeline["height"]
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": bottom}
        tab.screenshot(path=PICTURE, full_page=True, clip=clip)
        browser.close()


def main() -> None:
    workload = sys.argv[1] if len(sys.argv) > 1 else "mixed"
    with tempfile.TemporaryDirectory() as folder:
        shoot(record(workload, Path(folder)))
    print(PICTURE)


if __name__ == "__main__":
    main()
