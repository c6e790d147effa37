"""Caps as they stand, and the turns of the calls in progress, in the control table: see `tasks.core.settings.caps`."""

import random
import threading
import time
from collections.abc import Callable

from tasks.aws.books.control import ControlTable, pk_of_run
from tasks.core.settings.caps import Answer, Bought, Buy, Caps, Look, Side, Sleep, Step, Throttle, Turns, Units


class CapsBook:
    """The caps of one run."""

    def __init__(self, table: ControlTable, run: str) -> None:
        self._table = table
        self._run = run

    def read(self) -> Throttle | None:
        """Return what an operator has set, `None` if nobody has: then the plan's own caps hold."""
        document = self._table.read(pk_of_run(self._run), "caps")
        return None if document is None else Throttle.model_validate(document)

    def throttle(self, planned: Caps) -> Throttle:
        """Return what holds, given the caps of the run's plan."""
        return self.read() or Throttle(caps=planned)

    def put(self, throttle: Throttle) -> None:
        """Let this hold from now on."""
        self._table.put(pk_of_run(self._run), "caps", throttle.model_dump(mode="json"), expires=True)

    def buy(self, step: Buy) -> Bought:
        """Move a side's clock on, if it does not stand too late."""
        place = pk_of_run(self._run, "turns", step.side), str(step.revision)
        if step.is_crowded:
            stood = self._table.read_mark(*place)
            if stood > step.latest:
                return Bought(is_sold=False, stood=stood)
        is_sold, stood = self._table.advance(*place, by=step.seconds, least=step.now, most=step.latest)
        return Bought(is_sold, stood)


class CallTurns:
    """The turns of one call in progress on one side. Safe to use from several threads: they take turns in order.

    Args:
        book: of the run.
        planned: the caps of the run's plan.
        side: which.
        guess: about how many units a page, or an item, takes. It is only for the first: what one took says it better.
        until: returns how long to wait for a turn at most, by `time.time`, where a turn does not say it itself.
    """

    def __init__(
        self, book: CapsBook, planned: Caps, side: Side, guess: Units, until: Callable[[], float] | None = None
    ) -> None:
        self._book = book
        self._planned = planned
        self._turns = Turns(side, random.random)
        self._lock = threading.Lock()
        self._each = guess
        self._until = until or time.time

    def take(self, pieces: int = 1, *, until: Callable[[], float] | None = None) -> Units | None:
        """Wait for a turn for so many pages or items.

        Args:
            pieces: that the next call reads or writes.
            until: as of the turns; by default theirs.

        Returns:
            The units of the turn, which are to be settled when the call was made; `None` if none came in time. Then
            the call is not to be made.
        """
        with self._lock:
            units = self._each * pieces
            turn = self._turns.turn(units, now=time.time, until=until or self._until)
            answer: Answer = None
            try:
                while True:
                    answer = self._done(turn.send(answer))
            except StopIteration as end:
                return units if end.value else None

    def settle(self, units: Units, took: Units | None, pieces: int = 1) -> None:
        """Set off what a call really took against its turn.

        Args:
            units: of the turn.
            took: as the answer says; `None` if it does not say.
            pieces: that it was for.
        """
        with self._lock:
            self._turns.settle(units, took)
            if took and pieces:
                self._each = took / pieces

    def pieces_within(self, seconds: float) -> int | None:
        """Return how many pages or items have their turns within so much time, at least one; `None` without a cap."""
        throttle = self._turns.throttle or self._book.throttle(self._planned)
        cap = throttle.caps.of(self._turns.side)
        return None if cap is None else max(1, int(seconds * cap / self._each))

    @property
    def hold_back(self) -> bool:
        """Whether they keep the call from going as fast as it could, as it was last seen."""
        throttle = self._turns.throttle
        return throttle is not None and (throttle.is_paused or throttle.caps.of(self._turns.side) is not None)

    def in_words(self) -> str:
        """Say what holds the call back, as it was last seen."""
        throttle = self._turns.throttle
        return "" if throttle is None else throttle.in_words()

    def _done(self, step: Step) -> Answer:
        match step:
            case Look():
                return self._book.throttle(self._planned)
            case Buy():
                return self._book.buy(step)
            case Sleep():
                time.sleep(step.seconds)
                return None


class FreeTurns:
    """Turns for calls that no cap and no pause holds back: each may be made at once."""

    def take(self, _: int = 1) -> Units:
        """Return a turn of no units."""
        return 0.0

    def settle(self, units: Units, took: Units | None, pieces: int = 1) -> None:
        """Set off nothing."""

    def pieces_within(self, _: float) -> None:
        """Return `None`: there is no cap."""

    def in_words(self) -> str:
        """Say nothing."""
        return ""


AnyTurns = CallTurns | FreeTurns
FREE = FreeTurns()
