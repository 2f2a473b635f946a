"""What callers have in use: counts that always come back, and audio that is earned again with time."""

from __future__ import annotations

import pytest

from service.errors import QuotaExhausted, TooManyStreams
from service.quotas import Caller, Quotas, address_of
from service.tokens import Token


def token_with(**limits: float) -> Token:
    return Token.model_validate({"name": "alice", "sha256": "0" * 64, **limits})


class Clock:
    """Stands still until it is moved."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1"),
        ("ipv6:%5B2001:db8:1:2:3::4%5D:50000", "2001:db8:1:2::/64"),
        ("ipv6:[::1]:50000", "::/64"),
        ("ipv6:[fe80::1%25eth0]:50000", "fe80::/64"),
        ("ipv6:[::ffff:192.0.2.1]:50000", "192.0.2.1"),
        ("unix:/run/hearken.sock", "unix:/run/hearken.sock"),
    ],
)
def test_all_ports_and_one_customers_ipv6_addresses_count_as_one_address(peer: str, address: str) -> None:
    assert address_of(peer) == address


def hold_once(quotas: Quotas, caller: Caller) -> None:
    with quotas.hold(caller):
        pass


def test_an_address_has_its_streams_whatever_its_tokens_and_gets_them_back() -> None:
    quotas = Quotas(max_streams_per_peer=1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), quotas.hold(Caller("192.0.2.1", token_with())):
            with pytest.raises(TooManyStreams, match="this address may have 1 ") as raised:
                hold_once(quotas, Caller("192.0.2.1"))
            assert raised.value.retry_after_s == 5
            hold_once(quotas, Caller("192.0.2.2"))
            raise ZeroDivisionError


def test_a_token_has_its_streams_wherever_it_comes_from_and_gets_them_back() -> None:
    quotas = Quotas(max_streams_per_peer=0)
    token = token_with(max_streams=1)
    with quotas.hold(Caller("192.0.2.1", token)):
        hold_once(quotas, Caller("192.0.2.1"))
        with pytest.raises(TooManyStreams, match="this token may have 1 "):
            hold_once(quotas, Caller("192.0.2.3", token))
    hold_once(quotas, Caller("192.0.2.3", token))


def test_audio_is_taken_on_credit_and_earned_again_steadily() -> None:
    clock = Clock()
    quotas = Quotas(max_streams_per_peer=0, clock=clock)
    caller = Caller("192.0.2.1", token_with(audio_seconds_per_minute=120))
    with quotas.hold(caller) as one, quotas.hold(caller) as other:
        one.charge(70)
        other.check()
        other.charge(70)
        for allowance in (one, other):
            with pytest.raises(QuotaExhausted, match=r"its 120 s of audio a minute; try again in 16 s") as raised:
                allowance.check()
    with pytest.raises(QuotaExhausted), quotas.hold(caller):
        pass
    clock.now_s += raised.value.retry_after_s or 0
    with quotas.hold(caller) as allowance:
        allowance.charge(11.9)
        allowance.check()
        allowance.charge(0.2)
        with pytest.raises(QuotaExhausted):
            allowance.check()
        clock.now_s += 3600
        allowance.charge(119.9)
        allowance.check()
        allowance.charge(0.2)
        with pytest.raises(QuotaExhausted):
            allowance.check()


def test_a_clock_that_jumps_back_takes_nothing_away() -> None:
    clock = Clock()
    quotas = Quotas(max_streams_per_peer=0, clock=clock)
    with quotas.hold(Caller("192.0.2.1", token_with(audio_seconds_per_minute=60))) as allowance:
        clock.now_s -= 1000
        allowance.check()


def test_a_changed_limit_holds_for_the_next_stream() -> None:
    quotas = Quotas(max_streams_per_peer=0, clock=Clock())
    with quotas.hold(Caller("192.0.2.1", token_with(audio_seconds_per_minute=1))) as allowance:
        allowance.charge(2)
    for token in (token_with(audio_seconds_per_minute=10), token_with()):
        with quotas.hold(Caller("192.0.2.1", token)) as allowance:
            allowance.charge(5)
            allowance.check()


def test_audio_of_callers_without_a_limit_is_free() -> None:
    quotas = Quotas(max_streams_per_peer=0)
    for caller in (Caller("192.0.2.1"), Caller("192.0.2.1", token_with())):
        with quotas.hold(caller) as allowance:
            allowance.charge(1e9)
            allowance.check()
