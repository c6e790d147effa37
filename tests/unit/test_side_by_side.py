"""Of calls side by side, each counts by itself."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.aws.session.side_by_side import settle


class Empty(Exception):  # noqa: N818 — as falsy as an exception can be
    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, Empty])
def test_what_is_done_is_told_beside_the_first_failure(kind: type[BaseException]) -> None:
    def work(number: int) -> None:
        if number in {1, 3}:
            raise kind(number)

    with ThreadPoolExecutor(2) as threads:
        done, failure = settle(threads, work, range(5))
    assert done == [0, 2, 4]
    assert type(failure) is kind
    assert failure.args == (1,)


def test_without_a_failure_all_are_done() -> None:
    with ThreadPoolExecutor(2) as threads:
        assert settle(threads, str, range(3)) == ([0, 1, 2], None)
