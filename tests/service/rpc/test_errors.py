"""The table of status codes."""

from __future__ import annotations

import grpc

from models.errors import DecodingFailed, HearkenError, InvalidAudio, InvalidOptions, OutOfMemory
from service import errors
from service.rpc.errors import STATUS_OF


def leaves(error: type[HearkenError]) -> set[type[HearkenError]]:
    return {leaf for kind in error.__subclasses__() for leaf in leaves(kind)} or {error}


def test_every_error_that_can_meet_a_caller_has_a_status() -> None:
    foreign = (InvalidAudio, InvalidOptions, OutOfMemory, DecodingFailed)
    met = leaves(errors.ServiceError) - leaves(errors.StartError) | {own for kind in foreign for own in leaves(kind)}
    assert all(set(STATUS_OF) & set(kind.__mro__) for kind in met)
    assert all(any(issubclass(kind, base) for kind in met) for base in STATUS_OF)


def test_a_full_server_is_not_unavailable() -> None:
    assert STATUS_OF[errors.ServerFull] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = (errors.__doc__ or "").split()
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.ServiceError):
            assert name in drawn
