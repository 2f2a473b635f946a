"""`python tests/service/fake_server.py`: the server as `python -m service` runs it, around the fake recognizer."""

from __future__ import annotations

import sys

from fakes import FakeRecognizer

from service.app import run
from service.settings import load_settings

if __name__ == "__main__":
    sys.exit(run(load_settings(), load=lambda settings: FakeRecognizer()))
