"""A Lambda that plays all functions of a migration, by script: what the states of a test case call that are not mocked.

Its answers have the fields that the machine reads, and make it take every path that is no failure: each segment is
scanned in two calls, the first look at the digests asks for a second one.
"""

import json
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Queue
from threading import Lock
from typing import Any
from urllib.parse import unquote

from tests.step_functions_local.http_in_tests import Quiet, serving
from tests.step_functions_local.lambda_forwarder import INVOKE

TOKEN_WITHIN_SECONDS = 60.0
STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/scripted/stream/2026-01-01T00:00:00.000"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Throttled:
    """Lambda takes no call now."""


@dataclass(frozen=True, slots=True)
class FunctionError:
    """The function ends with an exception of this class."""

    name: str
    message: str = "by script"


class Responder:
    """What was called, what is to be answered; executions are told apart by their names.

    Attributes:
        url: of its Lambda API.
    """

    def __init__(self) -> None:
        self.url = ""
        self._lock = Lock()
        self._calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._scripts: defaultdict[tuple[str, str], deque[Throttled | FunctionError]] = defaultdict(deque)
        self._tokens: defaultdict[str, Queue[str]] = defaultdict(Queue)

    def script(self, run: str, state: str, *answers: Throttled | FunctionError) -> None:
        """Answer the first calls of a state so, and the ones after them well."""
        with self._lock:
            self._scripts[run, state].extend(answers)

    def calls(self, run: str) -> Counter[str]:
        """Return how often each state of an execution called."""
        with self._lock:
            return Counter(self._calls[run])

    def token(self, run: str) -> str:
        """Wait until an execution asks for approval, and return its token."""
        with self._lock:
            tokens = self._tokens[run]
        return tokens.get(timeout=TOKEN_WITHIN_SECONDS)

    def called(self, state: str, event: Event) -> Throttled | FunctionError | Any:  # noqa: ANN401 - a state's own payload
        """Take one call, and return the answer."""
        run = event["execution_name"] if state == "Preflight" else event["plan"]["run"]
        with self._lock:
            self._calls[run][state] += 1
            count = self._calls[run][state]
            if script := self._scripts[run, state]:
                return script.popleft()
            if "task_token" in event:
                self._tokens[run].put(event["task_token"])
        return ANSWERS[state](event, count)


def _plan(event: Event, _: int) -> Event:
    settings = {"approval": "automatic", "total_segments": 2, **event["input"]}
    return {"run": event["execution_name"], "max_concurrency": 3, **settings}


def _segments(event: Event, _: int) -> Event:
    checkpoints = [{"segment": n, "state": "new"} for n in range(event["plan"]["total_segments"])]
    return {"checkpoints": checkpoints, "left": "some" if checkpoints else "none"}


def _scanned(event: Event, _: int) -> Event:
    checkpoint = event["checkpoint"]
    return {**checkpoint, "state": "done" if checkpoint["state"] == "scanning" else "scanning"}


def _verification(event: Event, _: int) -> Event:
    slices = [{"segment": n, "state": "new"} for n in range(event["plan"]["total_segments"])]
    return {"id": "v1", "stage": "digest", "verdict": "unknown", "replica_ids": {}, "slices": slices}


def _compared(event: Event, count: int) -> Event:
    return {**event["verify"], "stage": "suspects", "verdict": "unknown" if count == 1 else "equal"}


def _constant(payload: object) -> Callable[[Event, int], object]:
    return lambda _event, _count: payload


ANSWERS: dict[str, Callable[[Event, int], Any]] = {
    "Preflight": _plan,
    "CreateReplicas": _constant(None),
    "AttachReplicator": _constant({"route": {"stream_arn": STREAM}, "settled_at": 1.5}),
    "AttachWriter": _constant(None),
    "PlanSegments": _segments,
    "ScanSegment": _scanned,
    "DrainBackfill": _constant({"pages": 2, "items": 9, "inserted": 9, "present": 0, "rejected": 0}),
    "DetachWriter": _constant(None),
    "AddReplicas": _constant(None),
    "PlanVerify": _verification,
    "VerifySegment": lambda event, _: {**event["slice"], "state": "done"},
    "CompareDigests": _compared,
    "ApproveCutOver": _constant(None),
    "ProtectTarget": _constant(None),
    "DrainChanges": _constant(None),
    "PurgeTombstones": _constant(None),
    "CutOver": _constant({"active_table": "scripted-target", "at": 2.5}),
    "DrainLateWrites": _constant({"overruled": 0}),
    "DetachReplicator": _constant({"active_table": "scripted-target", "source_stream": "kept", "to_move": []}),
}


@contextmanager
def responding() -> Iterator[Responder]:
    """Answer invocations while the block runs."""
    responder = Responder()

    class Lambda(Quiet):
        def do_POST(self) -> None:  # noqa: N802 - its name in the standard library
            event = json.loads(self.body() or b"{}")
            if not INVOKE.fullmatch(self.path):
                self.answer(404, b'{"message": "only Invoke is here"}')
                return
            state = unquote(self.path.split("/")[3]).rpartition("-")[2]
            self._give(responder.called(state, event))

        def _give(self, answer: object) -> None:
            headers = {"x-amzn-RequestId": str(uuid.uuid4()), "X-Amz-Executed-Version": "$LATEST"}
            if isinstance(answer, Throttled):
                body = {"Reason": "ConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."}
                self.answer(429, json.dumps(body).encode(), {**headers, "x-amzn-ErrorType": "TooManyRequestsException"})
            elif isinstance(answer, FunctionError):
                document = {"errorType": answer.name, "errorMessage": answer.message, "stackTrace": []}
                self.answer(200, json.dumps(document).encode(), {**headers, "X-Amz-Function-Error": "Unhandled"})
            else:
                self.answer(200, json.dumps(answer).encode(), headers)

    with serving(Lambda) as port:
        responder.url = f"http://127.0.0.1:{port}"
        yield responder
