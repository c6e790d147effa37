"""The mock configuration file of Step Functions Local: which answer a state gets at which attempt, by test case.

{"StateMachines": {machine: {"TestCases": {case: {state: response name}}}},
 "MockedResponses": {response name: {"0": {"Return": …}, "1-2": {"Throw": {"Error": …, "Cause": …}}}}}

https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ATTEMPTS = re.compile(r"(\d+)(?:-(\d+))?")


class MockFileInvalid(Exception):  # noqa: N818 - it reads as what it says, like the project's other errors
    """The file breaks the documented format; the message says where."""


@dataclass(frozen=True, slots=True)
class Return:
    """What the call gives: of `lambda:invoke` the whole result, {"StatusCode": 200, "Payload": …}."""

    result: Any


@dataclass(frozen=True, slots=True)
class Throw:
    """The error that the call ends with, by the name that a Retry's `ErrorEquals` has."""

    error: str
    cause: str


Answers = tuple[Return | Throw, ...]
"""By attempt: the first call is 0, its first retry 1."""
Case = Mapping[str, Answers]
"""By state; a state that is not in it makes its real call."""


def read_mock_file(path: Path) -> dict[str, dict[str, Case]]:
    """Return the cases of each state machine.

    Raises:
        MockFileInvalid: a response is not there, or its attempts are not numbered from 0 without a gap.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    responses = {name: _answers(name, by_attempt) for name, by_attempt in content["MockedResponses"].items()}
    return {
        machine: {
            case: {state: _response(responses, name, f"{machine}#{case}, {state}") for state, name in states.items()}
            for case, states in settings["TestCases"].items()
        }
        for machine, settings in content["StateMachines"].items()
    }


def _response(responses: Mapping[str, Answers], name: str, where: str) -> Answers:
    if name not in responses:
        raise MockFileInvalid(
            f"{where}: there is no mocked response {name!r}; there are {', '.join(sorted(responses))}"
        )
    return responses[name]


def _answers(name: str, by_attempt: Mapping[str, Mapping[str, Any]]) -> Answers:
    answers: list[Return | Throw] = []
    for attempts, answer in sorted(by_attempt.items(), key=lambda entry: int(entry[0].partition("-")[0])):
        found = _ATTEMPTS.fullmatch(attempts)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (-1, -1)
        if first != len(answers) or last < first:
            raise MockFileInvalid(
                f"mocked response {name}: {attempts!r} comes where attempt {len(answers)} is next; number them from 0, "
                "singly or as a range such as '1-2', without a gap"
            )
        answers += [_answer(name, answer)] * (last - first + 1)
    return tuple(answers)


def _answer(name: str, answer: Mapping[str, Any]) -> Return | Throw:
    match dict(answer):
        case {"Return": result, **rest} if not rest:
            return Return(result)
        case {"Throw": {"Error": str(error), "Cause": str(cause)}, **rest} if not rest:
            return Throw(error, cause)
    raise MockFileInvalid(f'mocked response {name}: an answer is {{"Return": …}} or {{"Throw": {{"Error", "Cause"}}}}')
