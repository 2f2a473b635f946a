"""`python tests/service/fake_server.py`: the server as `python -m service` runs it, around the fake recognizer."""

from __future__ import annotations

from collections.abc import Sequence

from fakes import DEADLY, FakeRecognizer, FakeStream

from service.running import run_and_exit
from service.settings import Settings, load_settings


def die_of_deadly_audio(streams: Sequence[FakeStream]) -> None:
    if any(stream.buffered.startswith(DEADLY) for stream in streams):
        raise SystemExit


def load_fake(settings: Settings) -> FakeRecognizer:
    return FakeRecognizer(die_of_deadly_audio)


if __name__ == "__main__":
    run_and_exit(load_settings(), load=load_fake)
