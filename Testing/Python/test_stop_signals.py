"""A stop that nobody looked at within is known without: what comes next is not done either."""

import signal

import pytest

from WSPCirrhosisLib import stop_signals
from WSPCirrhosisLib.stop_signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_last_moments_of_a_part_reaches_the_whole(number):
    with StopSignals() as whole:
        with StopSignals() as part:
            signal.raise_signal(number)
        assert part.requested and whole.requested


def test_a_stop_that_ended_the_part_is_not_told_twice():
    with StopSignals() as whole:
        with pytest.raises(ZeroDivisionError), StopSignals():
            signal.raise_signal(signal.SIGTERM)
            raise ZeroDivisionError
        assert not whole.requested


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with StopSignals(), StopSignals():
        signal.raise_signal(signal.SIGTERM)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_sigterm_that_a_queue_and_torchrun_both_send_is_one_wish():
    with StopSignals() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_wish_acts_as_if_nobody_waited(number, monkeypatch):
    monkeypatch.setattr(stop_signals, "SAME_WISH_SECONDS", 0.0)
    with StopSignals() as whole, StopSignals():
        signal.raise_signal(number)
        assert not whole.requested
        signal.raise_signal(number)
        assert whole.requested
