"""Transcripts of bulk transcription are laid out as those of the client's command."""

from __future__ import annotations

import json

import hearken
from hearken._command.formats import json_lines
from models.types import Alternative, Result, Word
from service.bulk.transcripts import Format, render

WORDS = (Word("yes", 0.5, 0.9, 0.75), Word("no", 1.0, 1.25))
RESULT = Result((Alternative("yes no", 0.5, WORDS),), True, 0.25, 1.5, utterance=0, channel_tag=2)
AS_SDK = hearken.Result(
    (hearken.Alternative("yes no", 0.5, (hearken.Word("yes", 0.5, 0.9, 0.75), hearken.Word("no", 1.0, 1.25))),),
    True,
    0.25,
    1.5,
    channel_tag=2,
)


def test_a_line_of_json_is_that_of_the_clients_command() -> None:
    (line,) = render("a.wav", [RESULT], Format.JSONL).splitlines()
    assert [json.loads(line)] == [json.loads(client) for client in json_lines("a.wav", AS_SDK)]


def test_subtitles_are_those_of_the_sdk() -> None:
    assert render("a.wav", [RESULT], Format.SRT) == hearken.to_srt([AS_SDK])
    assert render("a.wav", [RESULT], Format.VTT) == hearken.to_vtt([AS_SDK])


def test_silence_gives_no_line_and_no_cue() -> None:
    assert render("a.wav", [], Format.JSONL) == ""
    assert render("a.wav", [], Format.VTT) == "WEBVTT\n"
