"""Where the tests find real recorded speech, and what they do without it; property tests are not timed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

_ROOT = Path(__file__).parents[1]

settings.register_profile("untimed", deadline=None)  # how fast a machine is, is no property of the code
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """The shared speech corpora; tests that need them skip where they are absent."""
    folder = Path(os.environ.get("HEARKEN_SPEECH_DIR", _ROOT / ".." / "shared" / "speech")).resolve()
    if not (folder / "test-clean" / "manifest.tsv").is_file():
        pytest.skip(f"no recorded speech in {folder}; set HEARKEN_SPEECH_DIR to run this test")
    return folder


@pytest.fixture(scope="session")
def samples_dir() -> Path:
    """The bundled sample recordings."""
    return _ROOT / "clients" / "samples" / "audio"
