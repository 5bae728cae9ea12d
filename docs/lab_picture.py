"""Makes the picture of the lab in the README: docs/lab.png, the claims by interpreters.

Needs gtrace with its ``test`` extra and Chromium; run it as ``python docs/lab_picture.py [FILE...]`` with
results of ``gtrace lab --json``, or folders of them (``reports/lab``, where ``tox -e lab`` puts them).
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
PICTURE: Final = ROOT / "docs" / "lab.png"
RESULTS: Final = ROOT / "reports" / "lab"
WIDTH, HEIGHT = 1280, 900


def shoot(page: Path) -> None:
    """The page from its top to the end of the matrix, as a picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready=charts]", state="attached")
        matrix = tab.locator("#claims").bounding_box()
        if matrix is None:
            raise SystemExit("the page has no claims")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": matrix["y"] + matrix["height"] + 16}
        tab.screenshot(path=PICTURE, full_page=True, clip=clip)
        browser.close()


def main() -> None:
    sources = sys.argv[1:] or [str(RESULTS)]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "lab.html"
        command = [sys.executable, "-m", "gtrace", "lab", "--from", *sources, "--report", str(page)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        shoot(page)
    print(PICTURE)


if __name__ == "__main__":
    main()
