"""Records the dialogues in docs/protocol.md anew: `python -m tests.protos.dialogues --write`.

The page says in a comment before each dialogue which recording is played and which answers are shown; the server's
lines are written here, those of a server with the bundled model. Without `--write` the differences are printed.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from hearken.v1 import speech_pb2 as pb
from hearken.v1 import speech_pb2_grpc

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocol.md"
_AUDIO = ROOT / "clients" / "samples" / "audio"
_MESSAGE_BYTES = 3200
_DEADLINE_S = 300
_ENTRIES_SHOWN = 2
_LONG_LISTS = ("words", "features", "word_error_rates")
_BLOCK = re.compile(
    r"<!-- recorded(?:: (?P<files>[\w. -]+(?: \+ [\w. -]+)*?))?(?:, answers (?P<first>\d+) to (?P<last>\d+))? -->\n"
    r"```\n(?P<lines>.*?)```\n",
    re.DOTALL,
)
_CALLS = {"RecognizeRequest": "Recognize", "ListModelsRequest": "ListModels"}


@dataclass(frozen=True)
class Dialogue:
    """files: recordings, one a channel. answers: of the server, from the first to the last that is shown.

    request: the client's first line; lines: all of them.
    """

    files: tuple[str, ...]
    answers: slice
    request: str
    lines: tuple[str, ...]


def dialogues_of(page: str) -> list[Dialogue]:
    """In order."""
    return [_dialogue(block) for block in _BLOCK.finditer(page)]


def message_of(line: str) -> Message:
    """What a line of a dialogue says, without the C or S at its beginning."""
    said = line.partition("  #")[0]
    name, _, body = said.partition(" ")
    if name.endswith(("Request", "Response")):
        return text_format.Parse(body[1:-1], getattr(pb, name)())
    kind: Any = pb.StreamingRecognizeRequest if name == "config" else pb.StreamingRecognizeResponse
    return text_format.Parse(said, kind())


def recorded_anew(page: str, address: str) -> str:
    """The page with what the server at this address says now."""
    with grpc.insecure_channel(address) as channel:
        stub = speech_pb2_grpc.SpeechStub(channel)

        def play(block: re.Match[str]) -> str:
            lines = _play(_dialogue(block), stub)
            return block[0].replace(block["lines"], "".join(f"{line}\n" for line in lines))

        return _BLOCK.sub(play, page)


def _dialogue(block: re.Match[str]) -> Dialogue:
    lines = tuple(block["lines"].splitlines())
    files = tuple(block["files"].split(" + ")) if block["files"] else ()
    answers = slice(int(block["first"] or 0), int(block["last"] or 0) + 1)
    return Dialogue(files, answers, lines[0].removeprefix("C  "), lines)


def _play(dialogue: Dialogue, stub: speech_pb2_grpc.SpeechStub) -> list[str]:
    first = f"C  {dialogue.request}"
    request: Any = message_of(dialogue.request)
    if isinstance(request, pb.StreamingRecognizeRequest):
        return [first, *_streamed(request, dialogue, stub)]
    if isinstance(request, pb.RecognizeRequest):
        request.audio = _audio(dialogue.files, is_raw=False)
    name = type(request).__name__
    response = getattr(stub, _CALLS[name])(request, timeout=_DEADLINE_S)
    text, rest = _text(response)
    return [first, f"S  {type(response).__name__} {{ {text} }}{rest}"]


def _streamed(request: Any, dialogue: Dialogue, stub: speech_pb2_grpc.SpeechStub) -> Iterator[str]:
    audio = _audio(dialogue.files, is_raw=bool(request.config.audio.encoding))
    answers: list[tuple[str, float]] = []
    received_s = 0.0
    try:
        for response in stub.StreamingRecognize(_messages(request, audio), timeout=_DEADLINE_S):
            answers.append(("".join(_text(response)), response.clock.received_s))
    except grpc.RpcError as error:
        after_s = float("inf") if answers else 0.0  # with the first answer the server has asked for audio
        answers.append((f"{error.code().name}: {error.details()}", after_s))  # type: ignore[attr-defined]
    for line, after_s in answers[dialogue.answers]:
        if after_s > received_s:
            yield "C  audio"
            received_s = after_s
        yield f"S  {line}"


def _messages(request: Any, audio: bytes) -> Iterator[Any]:
    yield request
    for at in range(0, len(audio), _MESSAGE_BYTES):
        yield pb.StreamingRecognizeRequest(audio=audio[at : at + _MESSAGE_BYTES])


def _audio(files: Sequence[str], *, is_raw: bool) -> bytes:
    """Of one file, as it is or without its header; of several, their samples side by side as channels."""
    if not is_raw:
        return (_AUDIO / files[0]).read_bytes()
    channels = []
    for name in files:
        with wave.open(str(_AUDIO / name)) as file:
            channels.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
    longest = max(map(len, channels))
    return np.stack([np.pad(own, (0, longest - len(own))) for own in channels], axis=1).tobytes()


def _text(message: Message) -> tuple[str, str]:
    """In one line with rounded numbers; of long lists the beginning. And what tells that there is more."""
    is_whole = _shorten(message)
    text = text_format.MessageToString(message, as_one_line=True)
    return text, "" if is_whole else "  # and so on"


def _shorten(message: Any) -> bool:
    """Whether nothing was left out."""
    is_whole = True
    for field, value in message.ListFields():
        if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
            setattr(message, field.name, round(value, 2))
        if field.name in _LONG_LISTS and len(value) > _ENTRIES_SHOWN:
            del value[_ENTRIES_SHOWN:]
            is_whole = False
        if field.message_type is not None:
            inner = [_shorten(own) for own in (value if field.is_repeated else [value])]
            is_whole = is_whole and all(inner)
    return is_whole


def main() -> int:
    """Command line."""
    from tests.benchmarks.server import running_server

    parser = argparse.ArgumentParser(prog="python -m tests.protos.dialogues", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the answers into the page")
    chosen = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    with running_server("cpu", "english") as server:
        recorded = recorded_anew(page, server.address)
    if chosen.write:
        PAGE.write_text(recorded, encoding="utf-8")
    else:
        sys.stdout.writelines(difflib.unified_diff(page.splitlines(True), recorded.splitlines(True), "page", "server"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
