"""Which of the server's models a request is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.engine import Recognizer
from service.errors import InvalidRequest
from service.rpc.checking import listed


def choose_model(
    name: str, language: str, recognizers: Sequence[Recognizer[Any]], *, name_field: str, language_field: str
) -> Recognizer[Any]:
    """The model that the caller names; the first that speaks the language if none is named.

    name_field, language_field: where the caller has said it. Raises InvalidRequest.
    """
    named = [own for own in recognizers if own.name == name] if name else list(recognizers)
    if not named:
        offered = listed(repr(own.name) for own in recognizers)
        raise InvalidRequest(name_field, f"there is no model {name!r} here; this server has {offered}")
    speaking = [own for own in named if _speaks(own, language)]
    if not speaking:
        offered = " and ".join(f"model {own.name!r} speaks {own.card.language!r}" for own in named)
        raise InvalidRequest(language_field, f"{offered}, not {language!r}")
    return speaking[0]


def _speaks(recognizer: Recognizer[Any], language: str) -> bool:
    own = recognizer.card.language.lower()
    return language.lower() in ("", own, own.split("-")[0])
