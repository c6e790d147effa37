"""Gives moto's interpreter the mocks that it knows how to play but has no way to be told of.

Its interpreter is LocalStack's, which plays a mock configuration file as Step Functions Local does: by state, and by
the count of retries. In moto nothing reads such a file, and StartExecution takes no `<state machine's ARN>#<case>`.
Both are added here, from outside.
"""

import functools
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from tests.step_functions_local.mock_file import Answers, Case, Return

_CASE: ContextVar[Any] = ContextVar("case", default=None)
"""The case that the execution under start plays: moto makes its worker in the thread of the call."""


def install_mocks(machines: Mapping[str, Mapping[str, Case]]) -> None:
    """Let executions that are started as `<ARN>#<case>` play that case; to be called once moto is imported.

    Args:
        machines: the cases of each state machine, by its name.
    """
    from moto.core.exceptions import JsonRESTError  # noqa: PLC0415 - see above
    from moto.stepfunctions.parser.backend.execution import Execution  # noqa: PLC0415 - see above
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend  # noqa: PLC0415 - see above

    start, make_worker = StepFunctionsParserBackend.start_execution, Execution._get_start_execution_worker  # noqa: SLF001 - moto has no other place for it

    @functools.wraps(start)
    def start_execution(backend: Any, state_machine_arn: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - moto's own
        arn, _, name = state_machine_arn.partition("#")
        machine = arn.rpartition(":")[2]
        if name and name not in machines.get(machine, {}):
            known = ", ".join(machines.get(machine, {})) or "none"
            raise JsonRESTError(
                "ValidationException",
                f"the mock configuration file has no case {name} of {machine}; it has {known}",
            )
        token = _CASE.set(_test_case(machine, name, machines[machine][name]) if name else None)
        try:
            return start(backend, arn, *arguments, **named)
        finally:
            _CASE.reset(token)

    @functools.wraps(make_worker)
    def make_worker_with_case(execution: Any) -> Any:  # noqa: ANN401 - moto's own
        worker = make_worker(execution)
        worker._mock_test_case = _CASE.get()  # noqa: SLF001 - moto has no other place for it
        return worker

    StepFunctionsParserBackend.start_execution = start_execution
    Execution._get_start_execution_worker = make_worker_with_case  # noqa: SLF001 - moto has no other place for it


def _test_case(machine: str, name: str, case: Case) -> Any:  # noqa: ANN401 - moto's own
    from moto.stepfunctions.parser.mocking.mock_config import (  # noqa: PLC0415 - see above
        MockTestCase,
        StateMockedResponses,
    )

    states = [StateMockedResponses(state, state, _responses(answers)) for state, answers in case.items()]
    return MockTestCase(machine, name, states)


def _responses(answers: Answers) -> list[Any]:
    from moto.stepfunctions.parser.mocking.mock_config import (  # noqa: PLC0415 - see above
        MockedResponseReturn,
        MockedResponseThrow,
    )

    return [
        MockedResponseReturn(attempt, attempt, answer.result)
        if isinstance(answer, Return)
        else MockedResponseThrow(attempt, attempt, answer.error, answer.cause)
        for attempt, answer in enumerate(answers)
    ]
