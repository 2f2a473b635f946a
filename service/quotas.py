"""Who calls, and what each caller has in use: streams by address and by token, audio by token.

Who a token belongs to is left to service/tokens.py, the limit of the whole server to service/sessions.py.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from service.errors import QuotaExhausted, TooManyStreams
from service.tokens import Token

RETRY_AFTER_S = 5.0
"""When a caller who has too many streams, or finds the server full, is told to come back."""

_MINUTE_S = 60.0
_IPV6_PREFIX_BITS = 64
"""One customer's share of the IPv6 addresses; who has one has all of them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from, and on whose behalf."""

    address: str
    token: Token | None = None

    def __str__(self) -> str:
        return f"{self.token.name} at {self.address}" if self.token else self.address


def address_of(peer: str) -> str:
    """A network address without its port, from gRPC's "ipv4:192.0.2.1:50000"; of IPv6 the network of one customer."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer
    address = ipaddress.ip_address(rest.rpartition(":")[0].strip("[]").partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX_BITS), strict=False))


class Quotas:
    """Counts. Belongs to the event loop. A token is known by its name, so its counts outlive changes of the file."""

    def __init__(self, *, max_streams_per_peer: int, clock: Callable[[], float] = time.monotonic) -> None:
        """max_streams_per_peer: 0: no limit."""
        self._max_streams_per_peer = max_streams_per_peer
        self._clock = clock
        self._streams_of_address: Counter[str] = Counter()
        self._streams_of_token: Counter[str] = Counter()
        self._allowances: dict[str, Allowance] = {}

    @contextmanager
    def hold(self, caller: Caller) -> Iterator[Allowance]:
        """One stream of the caller, as long as the `with` block lasts, and the audio that it may send.

        Raises TooManyStreams and QuotaExhausted.
        """
        token = caller.token
        if 0 < self._max_streams_per_peer <= self._streams_of_address[caller.address]:
            raise TooManyStreams("this address", self._max_streams_per_peer, RETRY_AFTER_S)
        if token is None:
            allowance = Allowance(math.inf, self._clock)
        else:
            if token.max_streams is not None and self._streams_of_token[token.name] >= token.max_streams:
                raise TooManyStreams("this token", token.max_streams, RETRY_AFTER_S)
            allowance = self._allowance_of(token)
            allowance.check()
        with _one_more(self._streams_of_address, caller.address):
            if token is None:
                yield allowance
            else:
                with _one_more(self._streams_of_token, token.name):
                    yield allowance

    def _allowance_of(self, token: Token) -> Allowance:
        limit_s = math.inf if token.audio_seconds_per_minute is None else token.audio_seconds_per_minute
        known = self._allowances.get(token.name)
        if known is None or known.limit_s != limit_s:
            known = self._allowances[token.name] = Allowance(limit_s, self._clock)
        return known


class Allowance:
    """Audio that may be sent: it fills up steadily, to a minute's worth.

    Nothing is cut in its middle: a message that is begun with something left is taken whole, on credit if need be.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float]) -> None:
        """limit_s: audio a minute."""
        self.limit_s = limit_s
        self._clock = clock
        self._left_s = limit_s
        self._at_s = clock()

    def check(self) -> None:
        """Raises QuotaExhausted when nothing is left."""
        if self._refill() <= 0:
            # A little more than nothing must be there when the caller comes back: a tenth of a minute's.
            missing_s = self.limit_s / 10 - self._left_s
            raise QuotaExhausted(self.limit_s, retry_after_s=missing_s * _MINUTE_S / self.limit_s)

    def charge(self, audio_s: float) -> None:
        """Audio has been sent."""
        self._left_s = self._refill() - audio_s

    def _refill(self) -> float:
        now_s = self._clock()
        earned_s = (now_s - self._at_s) / _MINUTE_S * self.limit_s if now_s > self._at_s else 0.0
        self._left_s, self._at_s = min(self.limit_s, self._left_s + earned_s), now_s
        return self._left_s


@contextmanager
def _one_more(streams: Counter[str], key: str) -> Iterator[None]:
    streams[key] += 1
    try:
        yield
    finally:
        streams[key] -= 1
        if not streams[key]:
            del streams[key]
