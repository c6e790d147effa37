"""Executions by script: the machine on an engine, its functions played by the responder and by the mock file."""

import itertools
import json
import time
from pathlib import Path
from typing import Any

from infra.aws.functions.registry import FUNCTIONS
from infra.local.emulator.client import ACCOUNT
from tests.step_functions_local.engines import REGION, ROLE, StepFunctionsLocal
from tests.step_functions_local.responder import FunctionError, Responder, Throttled
from tests.step_functions_local.shortened import shortened
from tests.workflow.running import Ended, Event
from workflow.definition import Engine, render

MOCK_FILE = Path(__file__).with_name("scripted.json")
MACHINE = "tableferry-scripted"
"""The name that the mock file has cases for."""
ENDS_WITHIN_SECONDS = 90.0
_NUMBERS = itertools.count(1)

RENDERED = render(
    Engine.STEP_FUNCTIONS_LOCAL,
    {
        function.hole: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{MACHINE}-{function.state}"
        for function in FUNCTIONS
        if function.is_state
    },
)


class Scripted:
    """The machine on one engine."""

    def __init__(self, engine: StepFunctionsLocal, responder: Responder) -> None:
        self.engine = engine
        self.responder = responder
        self._machine = self._create(MACHINE, shortened(RENDERED))

    def start(
        self, case: str = "", *, script: dict[str, list[Throttled | FunctionError]] | None = None, **settings: object
    ) -> str:
        """Start an execution and return its ARN.

        Args:
            case: of the mock file; none mocks nothing.
            script: what the first calls of a state are answered with.
            settings: the execution's input.
        """
        machine = f"{self._machine}#{case}" if case else self._machine
        return self._start(machine, script or {}, settings)

    def start_impatient(self, approval_seconds: int) -> str:
        """Start an execution that waits for its approval no longer than so, and return its ARN."""
        name = f"{MACHINE}-{approval_seconds}-s-{next(_NUMBERS)}"
        machine = self._create(name, shortened(RENDERED, approval_seconds=approval_seconds))
        return self._start(machine, {}, {"approval": "required"})

    def ended(self, arn: str) -> Ended:
        """Wait for an execution's end."""
        deadline = time.monotonic() + ENDS_WITHIN_SECONDS
        while (described := self.engine.client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{arn} runs for more than {ENDS_WITHIN_SECONDS} s; last: {self.events(arn)[-1]}")
            time.sleep(0.1)
        return Ended(
            status=described["status"],
            error=described.get("error") or "",
            message=described.get("cause") or "",
            output=json.loads(described.get("output") or "{}"),
            events=self.events(arn),
        )

    def events(self, arn: str) -> list[Event]:
        """Return an execution's history."""
        pages = self.engine.client.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def calls(self, arn: str) -> dict[str, int]:
        """Return how often each state called its function; mocked calls are not among them."""
        return dict(self.responder.calls(run_of(arn)))

    def token(self, arn: str) -> str:
        """Wait for the question of an execution, and return the token that answers it."""
        return self.responder.token(run_of(arn))

    def _create(self, name: str, definition: dict[str, Any]) -> str:
        arn: str = self.engine.client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)[
            "stateMachineArn"
        ]
        return arn

    def _start(
        self, machine: str, script: dict[str, list[Throttled | FunctionError]], settings: dict[str, object]
    ) -> str:
        name = f"run-{next(_NUMBERS)}"
        for state, answers in script.items():
            self.responder.script(name, state, *answers)
        arn: str = self.engine.client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(settings))[
            "executionArn"
        ]
        return arn


def run_of(arn: str) -> str:
    """Return an execution's name."""
    return arn.rpartition(":")[2]


def failures(ended: Ended) -> list[str]:
    """Return the errors of all failed tasks, in order."""
    details = [event["taskFailedEventDetails"] for event in ended.events if event["type"] == "TaskFailed"]
    return [detail["error"] for detail in details]
