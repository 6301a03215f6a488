"""A stop that nobody looked at within is known without: what comes next is not done either."""

import signal

import pytest

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
