"""What `docs/console.md` has a person paste, read and run at night is what the code takes and says."""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore import xform_name

from infra.aws.functions.registry import FUNCTIONS
from infra.graph import waits_of
from tasks.core import errors
from tasks.core.errors import Refused, TableferryError
from tasks.core.prove.verification import Verification
from tasks.core.settings.migration import Migration, apply_overrides
from tests.contract.call_graph import ROOT
from workflow import execution
from workflow.definition import iter_states, read_definition
from workflow.machine import Machine, Names
from workflow.settings import EXAMPLE, read_settings

CONSOLE = ROOT / "docs" / "console.md"
TEXT = CONSOLE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)

STATES = dict(iter_states(read_definition()))
ERRORS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
DEPLOYED = read_settings(EXAMPLE).migration
NAMES = Names(DEPLOYED.migration)

LITERAL_AT_LEAST = 15
"""Letters of its own that a message has; a text with fewer would fit anything."""


def json_blocks() -> list[dict[str, Any]]:
    return [json.loads(body) for language, body in BLOCK.findall(TEXT) if language == "json"]


def is_input(block: dict[str, Any]) -> bool:
    known = {*Migration.model_fields, "Comment", "aproval"}
    return set(block) <= known


def causes() -> Iterator[dict[str, str]]:
    """Yield what functions said: causes, and those inside events."""
    for block in json_blocks():
        if "errorMessage" in block:
            yield block
        elif "taskFailedEventDetails" in block:
            said: dict[str, str] = json.loads(block["taskFailedEventDetails"]["cause"])
            assert block["taskFailedEventDetails"]["error"] == said["errorType"], "Step Functions takes it from there"
            yield said


def rows(*headings: str) -> list[list[str]]:
    _, _, after = TEXT.partition(f"| {' | '.join(headings)} |\n")
    assert after, f"there is no table of {headings}"
    return [[cell.strip() for cell in row.split("|")] for row in ROW.findall(after.partition("\n\n")[0])][1:]


def refusal_of(execution_input: dict[str, Any]) -> str | None:
    try:
        apply_overrides(DEPLOYED, execution_input)
    except Refused as refusal:
        return str(refusal)
    return None


def templates() -> list[re.Pattern[str]]:
    """Return every text of the tasks that is long enough to be a message; what is filled in may be anything."""
    found = []
    for file in (ROOT / "tasks").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            literals = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            if sum(len(literal) for literal in literals if isinstance(literal, str)) >= LITERAL_AT_LEAST:
                pattern = "".join(re.escape(text) if isinstance(text, str) else ".+" for text in literals)
                found.append(re.compile(pattern))
    return found


def commands() -> list[tuple[str, str, set[str]]]:
    """Return (service, operation, options) of every call of the AWS command line."""
    found = []
    for language, body in BLOCK.findall(TEXT):
        if not language:
            for service, operation, rest in re.findall(r"\baws (\w+) ([a-z-]+)(.*)", body.replace("\\\n", " ")):
                found.append((service, operation, set(re.findall(r" --([a-z-]+)", rest))))
    return found


def test_every_input_to_paste_is_taken_or_refused_in_the_words_that_are_told() -> None:
    blocks = json_blocks()
    told = [(block, following) for block, following in zip(blocks, [*blocks[1:], {}], strict=True) if is_input(block)]
    assert {} in [block for block, _ in told]
    for block, following in told:
        is_refusal = following.get("errorType") == "Refused"
        assert refusal_of(block) == (following["errorMessage"] if is_refusal else None), block
    assert sum(refusal_of(block) is None for block, _ in told) >= 3
    assert sum(refusal_of(block) is not None for block, _ in told) >= 3


def test_every_cause_is_a_message_of_an_error_that_exists() -> None:
    refusals = {refusal_of(block) for block in json_blocks() if is_input(block)}
    known = templates()
    assert len(list(causes())) >= 5
    for cause in causes():
        assert issubclass(ERRORS[cause["errorType"]], TableferryError)
        if cause["errorMessage"] not in refusals:
            for reason in cause["errorMessage"].split(" | "):
                assert any(template.fullmatch(reason) for template in known), reason


def test_every_name_in_the_text_is_one_of_ours_or_of_step_functions() -> None:
    model = boto3.client("stepfunctions", region_name="eu-west-1").meta.service_model
    theirs = {*model.shape_for("HistoryEventType").metadata["enum"], *model.shape_names}
    ours = {*STATES, *ERRORS, *(function.state for function in FUNCTIONS), "ApprovalDenied"}
    text = BLOCK.sub("", TEXT)
    for name in (name for name in SPAN.findall(text) if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", name)):
        assert name in ours | theirs, name
    assert '"ApprovalDenied"' in inspect.getsource(execution), "the error that `deny` answers with"


def test_every_wait_is_in_the_table_with_what_the_console_shows_in_red() -> None:
    told = {
        SPAN.findall(state)[0]: SPAN.findall(raises) for state, raises, _ in rows("state", "raises", "it is normal for")
    }
    assert told == {name: waits_of(state) for name, state in STATES.items() if waits_of(state)}


def test_every_arn_and_every_name_is_that_of_the_example() -> None:
    machine = f"stateMachine:{NAMES.state_machine}"
    for arn in re.findall(r"arn:aws:states:[\w:-]+", TEXT):
        of = Machine.of(arn) if ":stateMachine:" in arn else Machine.of_execution(arn)
        assert of.arn.endswith(machine), arn
        assert of.region == read_settings(EXAMPLE).deployment.region
    made = {NAMES.state_machine, NAMES.control_table, NAMES.pages_stream}
    made |= {function.function_name(DEPLOYED.migration) for function in FUNCTIONS}
    assert set(re.findall(r"(?<![:\w])tableferry-[\w-]+", TEXT)) <= made
    assert f"from `{DEPLOYED.source_table}` to\n`{DEPLOYED.target_table}`" in TEXT


def test_every_command_is_one_that_aws_knows_with_all_that_it_needs() -> None:
    told = commands()
    assert {"start-execution", "redrive-execution", "send-task-success", "send-task-failure"} <= {c[1] for c in told}
    for service, operation, options in told:
        client = boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]
        shape = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[operation.replace("-", "_")]
        ).input_shape
        # `--output` is the command line's own, so it calls SendTaskSuccess's by another name.
        own = {name: "task-output" if name == "output" else xform_name(name, "-") for name in shape.members}
        assert options <= {*own.values(), "query", "output"}, operation
        assert {own[name] for name in shape.required_members} <= options, operation


def test_the_outputs_have_the_fields_that_the_machine_selects() -> None:
    (output,) = [block for block in json_blocks() if "detached" in block]
    selected = {
        state["ResultPath"].removeprefix("$."): {name.removesuffix(".$") for name in state["ResultSelector"]}
        for state in STATES.values()
        if state.get("ResultPath") and "ResultSelector" in state
    }
    for path, found in output.items():
        assert set(found) == selected[path], path
    (proof,) = [block for block in json_blocks() if "verdict" in block]
    assert set(proof) == set(Verification.model_fields)
    assert Verification.model_validate(proof).verdict == "equal"


def test_the_question_waits_as_long_as_is_told() -> None:
    days = STATES["ApproveCutOver"]["TimeoutSeconds"] // 86_400
    assert f"the question waits {days} days" in TEXT
    assert STATES["ApproveCutOver"]["Parameters"]["Payload"]["task_token.$"] == "$$.Task.Token"


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([\w-]+)\)", TEXT))))
def test_every_entry_of_the_night_leads_to_its_section(anchor: str) -> None:
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", TEXT), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_picture_is_shown() -> None:
    assert re.search(r"!\[[^\]]+\]\(migration\.svg\)", TEXT)
