"""When a stream that has lost its server tries again, how long it waits, and when it gives up. Does not itself wait."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from hearken._errors import ConnectionFailed, DeadlineExceeded, HearkenError, ServerBusy, ServerError

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0

# A connection that has held for so long is not part of the trouble before it.
_HELD_S = 10.0
_ROUNDING_S = 0.01  # gRPC counts whole milliseconds and may end a call a little early


@dataclass(frozen=True, slots=True)
class Reconnect:
    """How streams, and long recordings that `transcribe` streams, outlive a lost connection or a server that stops.

    within_s: how long to try, from the loss to the next new result, with growing pauses between the attempts.
    buffer_bytes: most audio that is kept to be sent again, that is since the end of the last final result, and to be
        sent at all while no server takes it. 32 MiB are 17 minutes of 16 kHz audio.

    The caller sees one unbroken series of results with the times and utterance numbers of one stream. No audio is left
    out and none recognized twice: it is sent again from exactly where the last final result ended. Interim results that
    would say again what was already shown are left out.

    What is not tried again raises as without this: a server that could not be reached in the first place, one that
    refuses the request, and one that is full (unless it became full while the stream was looking for a server).

    A stream ends with ConnectionFailed where it could not go on without losing words:
    - nobody answered for `within_s`;
    - the audio since the last final result had outgrown `buffer_bytes` when the connection was lost;
    - the audio has a header that only the server reads (an iterable of the bytes of a file, without `sample_rate_hz` or
      beginning as a WAV file): then it cannot be continued in its middle. Hand over the path or an AudioFile instead.

    The text is that of an undisturbed stream as far as the server's text depends on the audio since the last final
    result alone. A Hearken server also remembers how loud it was before that, so that in noise the utterance after a
    loss may end elsewhere; words at such a border may then be recognized differently. If another server with another
    model answers, it goes on with that model's text.
    """

    within_s: float = 60.0
    buffer_bytes: int = 32 * 1024 * 1024


class Attempts:
    """The attempts of one stream. timeout_s: for all of them together."""

    def __init__(
        self, reconnect: Reconnect | None, timeout_s: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reconnect = reconnect
        self._clock = clock
        self._timeout_s = timeout_s
        self._deadline_s = None if timeout_s is None else clock() + timeout_s
        self._count = 0
        self._failures = 0
        self._began_s = self._trouble_began_s = clock()

    def begin(self) -> float | None:
        """An attempt begins; gives the time that is left for it."""
        self._count += 1
        self._began_s = self._clock()
        return None if self._deadline_s is None else max(0.0, self._deadline_s - self._began_s)

    def went_on(self) -> None:
        """The stream has given a new result."""
        self._failures = 0

    def delay_s(self, error: HearkenError) -> float:
        """How long to wait after this error of an attempt; raises it, or what says more, if that was the last one."""
        now_s = self._clock()
        is_over = self._deadline_s is not None and now_s >= self._deadline_s - _ROUNDING_S
        # gRPC's asyncio may also say INTERNAL of a call that has no time left.
        if is_over and isinstance(error, DeadlineExceeded | ServerError):
            raise self._too_late(error) from error
        if self._reconnect is None or not self._is_worth_another(error):
            raise error
        if now_s - self._began_s >= _HELD_S:
            self._failures = 0
        if self._failures == 0:
            self._trouble_began_s = now_s
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**self._failures) * random.uniform(0.5, 1.0)
        if isinstance(error, ServerBusy):
            delay_s = max(delay_s, error.retry_after_s or 0.0)
        self._failures += 1
        if self._deadline_s is not None and now_s + delay_s >= self._deadline_s:
            raise self._too_late(error) from error
        if now_s + delay_s > self._trouble_began_s + self._reconnect.within_s:
            gave_up = ConnectionFailed(
                f"the connection was lost and could not be resumed within {self._reconnect.within_s:g} s: {error}"
            )
            gave_up.status = error.status
            raise gave_up from error
        return delay_s

    def _too_late(self, error: HearkenError) -> DeadlineExceeded:
        return DeadlineExceeded(f"not finished within {self._timeout_s:g} s; at last: {error}")

    def _is_worth_another(self, error: HearkenError) -> bool:
        if isinstance(error, ConnectionFailed):
            return self._count > 1 or not error.is_unreachable
        return isinstance(error, ServerBusy) and self._failures > 0
