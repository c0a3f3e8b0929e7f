"""A real browser for tests of HTML: ``$KG_REC_CHROMIUM``, else a Chromium or Chrome on the path."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class NoBrowserError(Exception):
    """No browser is installed, or it does not start."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser, closed in the end.

    Raises:
        NoBrowserError: none is installed, or it does not start.
    """
    named = os.environ.get("KG_REC_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise NoBrowserError(f"found none of {', '.join(_NAMES)}; install one, or name it by KG_REC_CHROMIUM")
    if not Path(found).exists():
        raise NoBrowserError(f"KG_REC_CHROMIUM names {found}, which does not exist")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            raise NoBrowserError(f"{found} does not start: {str(error).splitlines()[0]}") from error
        try:
            yield browser
        finally:
            browser.close()
