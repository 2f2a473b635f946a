"""The dialogues in docs/protocol.md are what the bundled model says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.protos.dialogues import PAGE, dialogues_of, recorded_anew

_AUDIO = "C  audio"
ADVICE = "the bundled model says something else now: python -m tests.protos.dialogues --write"


def answers(page: str) -> list[list[str]]:
    """Without what may differ from processor to processor: numbers and interim texts."""
    return [
        in_any_order(lines) if any("NO_SPEECH_TIMEOUT" in line for line in lines) else [plain(line) for line in lines]
        for lines in (dialogue.lines for dialogue in dialogues_of(page) if "interim_results" not in dialogue.request)
    ]


def in_any_order(lines: Sequence[str]) -> list[str]:
    """The timeout may overtake a text that is still searched for; its clock then has no place of recognition yet."""
    return sorted(plain(re.sub(r" recognized_s: [\d.]+", "", line)) for line in lines if line != _AUDIO)


def plain(line: str) -> str:
    """Without numbers."""
    return re.sub(r'"[0-9a-f]{16}"|\d+(\.\d+)?', "#", line)


def test_the_page_shows_what_the_server_says(server: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert answers(recorded_anew(page, server)) == answers(page), ADVICE
