"""Without the official packages the server has its own API only, and says what is missing."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging, sys
for package in ("google.cloud.speech_v1", "riva"):
    sys.modules[package] = None  # as if it were not installed
logging.basicConfig(level="INFO", format="%(message)s")
from service.app import Server
from service.settings import Settings
from service.rpc.calls import Calls
from service.rpc.facades import installed_facades
from service.metrics import Metrics
assert installed_facades(Calls(Settings(), Metrics())) == []
"""


def test_what_is_not_installed_is_not_served_and_the_log_says_so() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "clients of Google are not served" in run.stderr and "install the extra google" in run.stderr
    assert "clients of Riva are not served" in run.stderr and "install the extra riva" in run.stderr
