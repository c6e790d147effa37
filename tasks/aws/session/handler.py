"""What every task's handler does before and after its own work."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.aws.session.budget import deadline_of
from tasks.aws.session.call import call, logger
from tasks.aws.session.clients import translated_errors
from tasks.core import backoff
from tasks.core.errors import Pending, TableferryError, VersionsDiffer
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Plan


class Request(BaseModel):
    """What the state machine sends to a task: the plan, and what the task's own subclass adds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: Plan

    @property
    def of_segment(self) -> int | None:
        """The segment that the request is about, if it is about one: for logs and traces."""
        return None


class RouteRequest(Request):
    """What a task gets that relies on the copy: the route besides, as AttachReplicator named it."""

    route: Route


RequestT = TypeVar("RequestT", bound=BaseModel)
Handler = Callable[[Mapping[str, Any], LambdaContext], Any]


def task(request_model: type[RequestT]) -> Callable[[Callable[[RequestT, LambdaContext], Any]], Handler]:
    """Make a Lambda handler of a function that takes a parsed request.

    The request is checked, the outcome is logged with its reason, measured and traced, and errors of AWS that pass by
    themselves become `AwsUnavailable`, which the state's Retry goes on after.

    What is not yet as it should be is looked at again within the call, for some seconds (`tasks.core.backoff`): as if
    the state's Retry had called the function again, but for the time that this takes. So what makes a second call safe
    makes a second look safe: each begins from the books, and asks first whether a later execution has taken over.

    Args:
        request_model: the pydantic model of the state's payload.
    """

    def make(work: Callable[[RequestT, LambdaContext], Any]) -> Handler:
        name = work.__module__.rsplit(".", 1)[-1]

        @functools.wraps(work)
        def handler(event: Mapping[str, Any], context: LambdaContext) -> Any:  # noqa: ANN401 — any JSON
            with call.under_way(name, context):
                call.identify(_migration_of(event))
                request = _parsed(request_model, event, name)
                if isinstance(request, Request):
                    call.identify(request.plan.migration, run=request.plan.run, segment=request.of_segment)
                with logged(name), translated_errors(name):
                    result = _looked_at_again(work, request, context)
            return result.model_dump(mode="json") if isinstance(result, BaseModel) else result

        return handler

    return make


def driven_by_stream(work: Handler) -> Handler:
    """Make a Lambda handler of a function that a stream drives: measured and traced, once `call` has its plan."""
    name = work.__module__.rsplit(".", 1)[-1]

    @functools.wraps(work)
    def handler(event: Mapping[str, Any], context: LambdaContext) -> Any:  # noqa: ANN401 — any JSON
        with call.under_way(name, context), translated_errors(name):
            return work(event, context)

    return handler


driven_by_schedule = driven_by_stream
"""The same of a function that a schedule calls."""


def _looked_at_again(work: Callable[[RequestT, LambdaContext], Any], request: RequestT, context: LambdaContext) -> Any:  # noqa: ANN401 — any JSON
    began = time.monotonic()
    while True:
        try:
            return work(request, context)
        except Pending as pending:
            now, deadline = time.monotonic(), deadline_of(context)
            known = None if pending.until is None else pending.until - time.time()
            pause = backoff.pause_before_look(since=now - began, left=deadline - now, known=known)
            if pause is None or not pending.is_looked_at_again:
                raise
        time.sleep(pause)


def _migration_of(event: Mapping[str, Any]) -> str | None:
    """Return the migration that a payload names, before it is checked: one that is refused counts as a failure too."""
    match event:
        case {"plan": {"migration": str(migration)}} if migration.strip():
            return migration
    return None


def _parsed(request_model: type[RequestT], event: Mapping[str, Any], name: str) -> RequestT:
    try:
        return request_model.model_validate(dict(event))
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, line["loc"])) for line in error.errors())
        raise VersionsDiffer(
            f"{name} was called with a payload it does not know ({fields}): "
            "the state machine and the functions are of different versions; deploy both"
        ) from None


class logged:  # noqa: N801 — a context manager, used like a function
    """Log how a piece of work ended: done, waiting, or failed with its reason."""

    def __init__(self, name: str, *, tells_success: bool = True) -> None:
        self._name = name
        self._tell = logger.info if tells_success else logger.debug

    def __enter__(self) -> None:
        logger.debug("%s begins", self._name)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None:
            self._tell("%s done", self._name)
        elif isinstance(error, Pending):
            logger.info("%s waits: %s", self._name, error)
        elif isinstance(error, TableferryError):
            logger.error("%s: %s: %s", self._name, type(error).__name__, error)
        else:
            # The message of a foreign error might quote item data: its type and place must do.
            logger.error("%s failed with %s", self._name, kind.__name__ if kind else "?")
