"""The captions page from end to end: browser, gateway, server; the microphone gives a recording."""

from __future__ import annotations

from pathlib import Path

import jiwer

from hearken import Client
from tests.clients.captions_page import Page, chromium, running_gateway, wait_until

TOLERATED_WER = 0.2
"""The browser resamples, and begins to record when it likes."""


def test_what_is_said_into_the_microphone_becomes_captions(server: str, samples_dir: Path, tmp_path: Path) -> None:
    with Client(server) as client:
        expected = client.transcribe(samples_dir / "rain.wav").text
    with running_gateway(server) as port, chromium(samples_dir / "rain.wav", tmp_path) as chrome:
        page = Page(chrome, port)
        page["microphone"].click()
        wait_until(lambda: jiwer.wer(expected, " ".join(page.lines) or "-") <= TOLERATED_WER, lambda: str(page.lines))
        assert page.errors() == []
