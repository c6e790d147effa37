"""Waits between tries."""

from tasks.core.backoff import MOST_SECONDS, TRIES, delays


def test_waits_grow_but_never_without_bound() -> None:
    longest = list(delays(lambda: 1.0, tries=20))
    assert longest == sorted(longest)
    assert longest[0] < longest[5]
    assert longest[-1] == MOST_SECONDS


def test_clients_do_not_come_back_together() -> None:
    assert list(delays(lambda: 0.0)) == [0.0] * (TRIES - 1)
    assert list(delays(lambda: 0.5)) == [wait / 2 for wait in delays(lambda: 1.0)]


def test_the_number_of_tries_is_kept() -> None:
    assert len(list(delays(lambda: 1.0))) == TRIES - 1
    assert list(delays(lambda: 1.0, tries=1)) == []
