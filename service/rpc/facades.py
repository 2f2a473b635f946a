"""The APIs of others that this server speaks, too, on the same port: those whose packages are installed."""

from __future__ import annotations

import logging
from typing import Protocol

import grpc

from service.rpc.calls import Calls

logger = logging.getLogger(__name__)


class Facade(Protocol):
    """Services of another API. services: their full names."""

    services: tuple[str, ...]

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """What a server needs to serve them."""

    async def close(self) -> None:
        """Ends what runs in the background."""


def installed_facades(calls: Calls) -> list[Facade]:
    """Each needs its extra: `pip install 'hearken-server[google,riva]'`."""
    found = []
    for extra, make in (("google", _google), ("riva", _riva)):
        try:
            found.append(make(calls))
        except ModuleNotFoundError as error:
            logger.info("clients of %s are not served: %s; install the extra %s", extra.capitalize(), error, extra)
    return found


def _google(calls: Calls) -> Facade:
    from service.rpc.google_v1.servicer import GoogleSpeech

    return GoogleSpeech(calls)


def _riva(calls: Calls) -> Facade:
    from service.rpc.riva.servicer import RivaSpeech

    return RivaSpeech(calls)
