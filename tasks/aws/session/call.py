"""The call under way: whose it is, for log lines, metrics and traces; and how it ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.session import measure, trace
from tasks.core.errors import Pending, TipOutOfReach, TurnPending
from tasks.core.metrics import DONE, FAILURES, WAITS

logger: Final = Logger(service="tableferry", log_uncaught_exceptions=False)
"""JSON lines. Keys and counts may be logged, other item data never."""


class Call:
    """One call of this function. Lambda makes one at a time in a process."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._leaves_no_trace = False

    @contextmanager
    def under_way(self, module: str, context: LambdaContext) -> Iterator[None]:
        """Trace the call and put out what it measured, whether it fails or not.

        Args:
            module: of the task; the state's name is made from it.
            context: of the call.
        """
        state = "".join(word.capitalize() for word in module.split("_"))
        measure.take()  # of a call that never came to its end
        self._known, self._leaves_no_trace = {}, False
        logger.remove_keys(["migration", "run", "segment"])
        logger.set_correlation_id(context.aws_request_id)
        logger.append_keys(state=state, function_request_id=context.aws_request_id)
        try:
            with trace.traced(state):
                trace.annotate("state", state)
                yield
            if not measure.has(FAILURES) and not self._leaves_no_trace:
                measure.add(DONE)
        except TurnPending:
            raise  # somebody wants it to rest, or to go slowly: no alarm counts that
        except (Pending, TipOutOfReach):
            measure.add(WAITS)
            raise
        except BaseException:
            measure.add(FAILURES)
            raise
        finally:
            migration = self._known.pop("migration", None)
            # Without it the metric would be another one, which no alarm looks at; Lambda's own Errors counts the call.
            if migration is not None:
                shown = {**self._known, "function_request_id": context.aws_request_id}
                measure.put_out(migration=migration, state=state, shown=shown)

    def identify(self, migration: str | None, *, run: str | None = None, segment: int | None = None) -> None:
        """Say whose call it is, as soon as that is known; what is not known is left as it was.

        Args:
            migration: its name.
            run: all log lines of a run have it as their correlation id.
            segment: 0-based.
        """
        for name, value in (("migration", migration), ("run", run), ("segment", segment)):
            if value is not None:
                self._known[name] = str(value)
                logger.append_keys(**{name: value})
                trace.annotate(name, str(value))
        if run is not None:
            logger.set_correlation_id(run)

    def leave_no_trace(self) -> None:
        """Put out nothing of this call, if it does not fail: there was nothing to do in it.

        A stream calls a function hundreds of times a second, for weeks.
        """
        self._leaves_no_trace = True


call: Final = Call()
