"""What tests of the captions page share: a running gateway, a headless Chromium, and the page as its user meets it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from hearken_web.gateway import application

REPOSITORY = Path(__file__).parents[2]
AXE = REPOSITORY / "clients" / "web" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_S = 120.0


@contextmanager
def running_gateway(address: str) -> Iterator[int]:
    """A gateway for a speech server; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(address), log_level="warning", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def chromium(microphone: Path, downloads: Path) -> Iterator[webdriver.Chrome]:
    """A browser whose microphone gives a recording once, and which saves files in a folder. Skips, loudly, without."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("THE CAPTIONS PAGE IS NOT TESTED: install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--no-sandbox",  # the tests may run as root
        "--disable-dev-shm-usage",
        "--window-size=1000,900",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        "--autoplay-policy=no-user-gesture-required",
        "--no-proxy-server",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    chrome.set_script_timeout(PATIENCE_S)
    try:
        yield chrome
    finally:
        chrome.quit()


class Page:
    """The page as its user meets it."""

    def __init__(self, chrome: webdriver.Chrome, port: int) -> None:
        self.chrome = chrome
        chrome.get_log("browser")  # what was said about an earlier page
        chrome.get(f"http://127.0.0.1:{port}/")

    def __getitem__(self, name: str) -> WebElement:
        return self.chrome.find_element(By.ID, name)

    @property
    def lines(self) -> list[str]:
        """The final text, a line an utterance, without its time."""
        paragraphs = self.chrome.find_elements(By.CSS_SELECTOR, "#transcript p")
        return [paragraph.text.partition(" ")[2] for paragraph in paragraphs]

    def wait_for_status(self, beginning: str) -> None:
        """Waits for a sentence in the status line."""
        wait_until(lambda: self["status"].text.startswith(beginning), lambda: self["status"].text)

    def errors(self) -> list[str]:
        """What the browser's console calls severe."""
        return [entry["message"] for entry in self.chrome.get_log("browser") if entry["level"] == "SEVERE"]

    def violations(self) -> list[dict[str, Any]]:
        """What the accessibility audit finds to be serious or critical. Skips, loudly, without axe-core."""
        if not AXE.is_file():
            pytest.skip("ACCESSIBILITY IS NOT TESTED: run `npm ci` in clients/web")
        self.chrome.execute_script(AXE.read_text(encoding="utf-8"))
        found = self.chrome.execute_async_script("axe.run(document).then(arguments[0])")
        assert found["passes"]
        return [rule for rule in found["violations"] if rule["impact"] in ("serious", "critical")]


def wait_until(condition: Callable[[], Any], tell: Callable[[], str] = lambda: "") -> None:
    """Waits until it is so; tell: what to say if that takes too long."""
    limit_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit_s, f"waited too long; {tell()}"
        time.sleep(0.05)
