"""The version of this library, which servers are told in the user agent of each call."""

from __future__ import annotations

VERSION = "0.1.0"
