"""Which calls need a token, and whose call it is: authentication in front of every service of the port.

What tokens are is left to service/tokens.py, what callers use up to service/quotas.py.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from service.errors import PermissionDenied, Refused, Unauthenticated
from service.late_refusals import LateRefusals
from service.metrics import Metrics
from service.quotas import Caller, address_of
from service.rpc.errors import end
from service.tokens import Scope, Token, Tokens

_SCHEME = "bearer "
_NO_SCOPE = frozenset({health.SERVICE_NAME, reflection.SERVICE_NAME})
_LIST_MODELS = frozenset(
    {"/hearken.v1.Speech/ListModels", "/nvidia.riva.asr.RivaSpeechRecognition/GetRivaSpeechRecognitionConfig"}
)

_token: ContextVar[Token | None] = ContextVar("token", default=None)
"""Of the request that the current task handles: gRPC runs interceptors and handler of a request in one task."""


def caller_of(context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
    """Who made the request that is being handled."""
    return Caller(address_of(context.peer()), _token.get())


class Authentication(grpc.aio.ServerInterceptor):
    """Lets a request pass if it has a token that may do this, or if its service is open."""

    def __init__(
        self,
        tokens: Callable[[], Tokens],
        metrics: Metrics,
        late_refusals: LateRefusals,
        *,
        open_services: frozenset[str],
    ) -> None:
        self._tokens = tokens
        self._metrics = metrics
        self._late_refusals = late_refusals
        self._open_services = open_services

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Called by gRPC for each request, before a message is read."""
        method = handler_call_details.method
        service = method.strip("/").partition("/")[0]
        if service not in self._open_services:
            try:
                token = self._authenticate(handler_call_details)
                if service not in _NO_SCOPE:
                    _check_scope(token, Scope.LIST_MODELS if method in _LIST_MODELS else Scope.RECOGNIZE)
            except Unauthenticated as error:
                await self._wait()
                return self._refuse(error)
            except PermissionDenied as error:
                return self._refuse(error)
            _token.set(token)
        return await continuation(handler_call_details)

    def _authenticate(self, details: grpc.HandlerCallDetails) -> Token:
        given = [secret for key, value in details.invocation_metadata or () if (secret := _secret_of(key, str(value)))]
        if len(given) != 1:
            raise Unauthenticated("this server needs a token; send the metadata `authorization: Bearer TOKEN`, once")
        token = self._tokens().find(given[0])
        if token is None:
            raise Unauthenticated("the server does not know this token; ask its operator for a new one")
        return token

    async def _wait(self) -> None:
        try:
            await self._late_refusals.wait()
        except asyncio.CancelledError:
            self._metrics.errors.labels(grpc.StatusCode.CANCELLED.name).inc()
            raise

    def _refuse(self, error: Refused) -> grpc.RpcMethodHandler[Any, Any]:
        async def refuse(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> None:
            # Without the metadata of other calls: sending it first would add a third to the cost of a refusal.
            await end(context, self._metrics, secrets.token_hex(8), error)

        # Whatever the call is: as a stream it is answered without waiting for a message.
        return grpc.stream_stream_rpc_method_handler(refuse)


def _secret_of(key: str, value: str) -> str:
    """The token in a piece of metadata, also where Google's clients send their API key; empty: there is none."""
    if key == "authorization" and value.lower().startswith(_SCHEME):
        return value[len(_SCHEME) :].strip()
    return value.strip() if key == "x-goog-api-key" else ""


def _check_scope(token: Token, needed: Scope) -> None:
    if needed not in token.scopes:
        raise PermissionDenied(f"the token {token.name!r} lacks the scope {needed.value}; ask the server's operator")
