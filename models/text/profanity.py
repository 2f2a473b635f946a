"""Masks words that many do not want to read. A short list of English words and their usual endings."""

from __future__ import annotations

import re

_STEMS = "fuck shit cunt cock dick pussy bitch bastard asshole whore slut nigger faggot twat wank bollocks motherfuck"
_ENDINGS = "s|es|ed|er|ers|in|ing|y|ty|ter|face|head|hole|heads|holes"
_PROFANE = re.compile(rf"\b(?:bull|dip|dumb|horse)?(?:{'|'.join(_STEMS.split())})(?:{_ENDINGS})?\b", re.IGNORECASE)
_HARMLESS = frozenset({"cocks", "cocked", "cocker", "cocky", "dicker", "dicky"})


def masked(text: str) -> str:
    """All but the first letter of profane words becomes asterisks."""
    return _PROFANE.sub(lambda found: found[0] if found[0].lower() in _HARMLESS else _mask(found[0]), text)


def _mask(word: str) -> str:
    return word[0] + "*" * (len(word) - 1)
