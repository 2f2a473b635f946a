"""The dialogues in docs/protocol.md are what the bundled model says."""

from __future__ import annotations

import re

from tests.protos.dialogues import PAGE, dialogues_of, recorded_anew

_AUDIO = "C  audio"
ADVICE = "the bundled model says something else now: python -m tests.protos.dialogues --write"


def plain(line: str) -> str:
    """Without numbers, and without a clock's place of recognition, which is left out where it is zero."""
    return re.sub(r'"[0-9a-f]{16}"|\d+(\.\d+)?', "#", re.sub(r" recognized_s: [\d.]+", "", line))


def answers(page: str) -> list[list[str]]:
    """Without what may differ from machine to machine: numbers, interim texts, how much was sent meanwhile, and whether
    an event overtakes a text that is still searched for."""
    return [
        sorted(plain(line) for line in dialogue.lines if line != _AUDIO)
        for dialogue in dialogues_of(page)
        if "interim_results" not in dialogue.request
    ]


def test_the_page_shows_what_the_server_says(server: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert answers(recorded_anew(page, server)) == answers(page), ADVICE
