"""The dialogues in docs/protocol.md are messages of the protocol, and the server would take what the client says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hearken.v1 import speech_pb2 as pb
from service.rpc import convert
from tests.protos.dialogues import PAGE, dialogues_of, message_of

TEXT = PAGE.read_text(encoding="utf-8")
DIALOGUES = dialogues_of(TEXT)
REQUESTS = [dialogue.request for dialogue in DIALOGUES]
ANSWERS = [
    line.removeprefix("S  ")
    for dialogue in DIALOGUES
    for line in dialogue.lines
    if line.startswith("S  ") and not re.match(r"S  [A-Z_]+: ", line)
]


def test_every_dialogue_is_recorded() -> None:
    assert len(DIALOGUES) == len(re.findall(r"^```\nC  ", TEXT, flags=re.MULTILINE)) > 10
    assert all(line.startswith(("C  ", "S  ")) for dialogue in DIALOGUES for line in dialogue.lines)


@pytest.mark.parametrize("line", REQUESTS)
def test_what_the_client_says_has_only_fields_that_are_honored(line: str) -> None:
    request: Any = message_of(line)
    convert.check(request.config if isinstance(request, pb.StreamingRecognizeRequest) else request, "", convert.HONORED)


@pytest.mark.parametrize("line", ANSWERS)
def test_what_the_server_says_is_a_response(line: str) -> None:
    message = message_of(line)
    assert not isinstance(message, pb.StreamingRecognizeResponse) or message.HasField("clock")


def test_every_feature_has_a_dialogue() -> None:
    said = " ".join(REQUESTS)
    assert [feature for feature in convert.FEATURES if f"{feature}:" not in said and f"{feature} {{" not in said] == []
