"""The dialogues in docs/protocol.md are what the bundled model says."""

from __future__ import annotations

import re

from tests.protos.dialogues import PAGE, dialogues_of, recorded_anew

ADVICE = "the bundled model says something else now: python -m tests.protos.dialogues --write"


def answers(page: str) -> list[tuple[str, ...]]:
    """Without what may differ from processor to processor: numbers and interim texts."""
    return [
        tuple(re.sub(r'"[0-9a-f]{16}"|\d+(\.\d+)?', "#", line) for line in dialogue.lines)
        for dialogue in dialogues_of(page)
        if "interim_results" not in dialogue.request
    ]


def test_the_page_shows_what_the_server_says(server: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert answers(recorded_anew(page, server)) == answers(page), ADVICE
