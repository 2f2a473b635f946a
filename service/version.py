"""The version of this server, which callers are told: in each answer's metadata, in ListModels and by `--version`."""

from __future__ import annotations

import importlib.metadata
from functools import cache


@cache
def server_version() -> str:
    """For example "0.1.0"; "unknown" in a checkout that is not installed."""
    try:
        return importlib.metadata.version("hearken-server")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
