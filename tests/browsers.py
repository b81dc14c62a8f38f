"""A real browser for tests of pages, and what a page did besides being there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; the test is skipped where there is none."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed (Debian, Ubuntu: apt install chromium)")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


class Seen:
    """What a page writes to the console, and what it asks the network for."""

    def __init__(self, page: Page) -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))


def opened(page: Page, path: Path, link: str = "") -> Seen:
    """Open a page of results, with the part of its address from `#` on, and wait until it is complete."""
    seen = Seen(page)
    page.goto(path.as_uri() + link)
    page.wait_for_selector("html[data-ready][data-drawn]", timeout=60_000)
    return seen
