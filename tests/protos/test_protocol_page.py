"""The dialogues in docs/protocol.md are messages of the protocol, and the server would take what the client says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf import text_format

from hearken.v1 import speech_pb2 as pb
from service.rpc import convert

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
LINES = re.findall(r"^([CS])  (.*)$", PAGE, flags=re.MULTILINE)
CONFIGS = [line for speaker, line in LINES if speaker == "C" and line != "audio"]
ANSWERS = [line for speaker, line in LINES if speaker == "S" and not re.match(r"[A-Z_]+: ", line)]


@pytest.mark.parametrize("line", CONFIGS)
def test_what_the_client_says_is_a_config_with_fields_that_are_honored(line: str) -> None:
    config = text_format.Parse(line, pb.StreamingRecognizeRequest()).config
    convert.check(config, "config.", convert.HONORED)


@pytest.mark.parametrize("line", ANSWERS)
def test_what_the_server_says_is_a_response(line: str) -> None:
    assert text_format.Parse(line, pb.StreamingRecognizeResponse()).HasField("clock")


def test_every_feature_has_a_dialogue() -> None:
    said = " ".join(CONFIGS)
    assert [feature for feature in convert.FEATURES if f"{feature}:" not in said and f"{feature} {{" not in said] == []
