"""A command that is refused says why and ends with exit code 2, whoever refused it; and it is no error of a state."""

from pathlib import Path

import pytest

from tasks.core.errors import Refused, TableferryError, VersionsDiffer
from workflow import cli
from workflow.refusals import CommandRefused


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("[", "refused: the input is no JSON"),
        ('{"total_segments": 0}', "refused: total_segments: Input should be greater than or equal to 1\n"),
    ],
    ids=["by the command line", "in Preflight's words"],
)
def test_input_that_is_refused_is_refused_the_same_way_by_whatever_rule(
    given: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["workflow", "start", "--input", given])
    assert cli.main() == cli.EXIT_REFUSED
    assert capsys.readouterr().err.startswith(words)


@pytest.mark.parametrize("kind", [Refused, VersionsDiffer, CommandRefused])
def test_what_cannot_be_read_is_said_in_words_and_never_as_a_traceback(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: str | None) -> None:
        raise kind("the plan is of another version")

    monkeypatch.setattr("sys.argv", ["workflow", "start"])
    monkeypatch.setattr("workflow.execution.check_name", refuse)
    assert cli.main() == cli.EXIT_REFUSED
    assert capsys.readouterr().err == "refused: the plan is of another version\n"


def test_a_refused_command_is_no_error_that_a_state_could_match() -> None:
    assert not issubclass(CommandRefused, TableferryError)
    definition = Path(cli.__file__).with_name("migration.asl.json").read_text(encoding="utf-8")
    assert CommandRefused.__name__ not in definition
