"""What the documents tell is there: targets, commands, files, states, settings, errors. Who follows them finds it."""

import itertools
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import typer
from botocore import xform_name

from infra.functions import FUNCTIONS, function_of
from tasks.aws.control import EXPIRY_ATTRIBUTE, KEPT_SECONDS
from tasks.core import errors
from tasks.core.item import TOMBSTONE_ATTRIBUTE
from tasks.core.migration import DEPLOYED_FIELDS, Migration, parse_migration
from tests.contract.call_graph import ROOT
from workflow.cli import app
from workflow.definition import iter_states, read_definition
from workflow.execution import check_input

README = ROOT / "README.md"
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
DOCUMENTS = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
PROJECT_FOLDERS = ("tasks/", "workflow/", "infra/", "tests/", "docs/", ".ci/")

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)\)")
EDGE = re.compile(r"^\s+(\w+) -->(?:\|[^|]*\|)? (\w+)$", re.MULTILINE)
ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


def code_in(document: Path) -> Iterator[str]:
    """Yield every line of code: those of code blocks, and the spans in backticks."""
    text = document.read_text(encoding="utf-8")
    for block in FENCE.findall(text):
        yield from block.splitlines()[1:-1]
    yield from SPAN.findall(FENCE.sub("", text))


def rows(document: Path, *headings: str) -> list[list[str]]:
    """Return the cells of the table with these headings."""
    text = document.read_text(encoding="utf-8")
    _, _, after = text.partition(f"| {' | '.join(headings)} |\n")
    assert after, f"{document.name} has no table of {headings}"
    table = after.partition("\n\n")[0]
    return [[cell.strip() for cell in row.split("|")] for row in ROW.findall(table)][1:]


def names_in(cell: str) -> list[str]:
    return SPAN.findall(cell)


def identity(document: Path) -> str:
    return str(document.relative_to(ROOT))


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=identity)


@each_document
def test_no_document_names_a_make_target_that_is_not_there(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {target for code in code_in(document) for target in re.findall(r"^make ([a-z-]+)", code)}
    assert named <= targets


def test_the_two_commands_of_the_readme_are_named() -> None:
    assert {"make demo", "make test"} <= set(code_in(README))


@each_document
def test_no_document_names_a_command_or_an_option_that_is_not_there(document: Path) -> None:
    group = typer.main.get_group(app)
    for code in code_in(document):
        if not code.startswith("python -m workflow"):
            continue
        words = shlex.split(code, comments=True)[3:]
        assert words, f"{code}: which command?"
        command = group.commands.get(words[0])
        assert command is not None, code
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, code


HELD_ELSEWHERE = {ROOT / "docs" / "console.md": "test_console.py", ROOT / "docs" / "metrics.md": "test_metrics.py"}
"""Documents whose JSON is of many kinds; the tests named hold all of it to the code."""
each_plain_document = pytest.mark.parametrize(
    "document", [document for document in DOCUMENTS if document not in HELD_ELSEWHERE], ids=identity
)

AWS_COMMAND = re.compile(r"^aws stepfunctions ")


@each_plain_document
def test_no_document_names_a_call_of_step_functions_or_an_option_that_aws_does_not_know(document: Path) -> None:
    model = boto3.client("stepfunctions", region_name="eu-west-1").meta.service_model
    operations = {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}
    for code in filter(AWS_COMMAND.match, code_in(document)):
        operation, *words = shlex.split(code)[2:]
        assert operation in operations, code
        shape = operations[operation].input_shape
        members = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
        assert {word for word in words if word.startswith("--")} <= members, code


@each_plain_document
def test_every_input_of_an_execution_that_a_document_shows_would_be_taken(document: Path) -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    options = [
        word
        for code in code_in(document)
        if code.startswith(("python -m workflow", "aws stepfunctions"))
        for option, word in itertools.pairwise(shlex.split(code, comments=True))
        if option == "--input"
    ]
    deployed = {"migration": "orders", "source_table": "orders", "target_table": "orders-global"}
    for text in (*blocks, *options):
        if not text.startswith("@"):
            parse_migration({**deployed, **check_input(text)})


def test_every_command_is_in_the_readme() -> None:
    named = {code.split()[3] for code in code_in(README) if code.startswith("python -m workflow ")}
    assert named == set(typer.main.get_group(app).commands)


@each_document
def test_no_document_names_a_file_that_is_not_there(document: Path) -> None:
    for code in code_in(document):
        is_ours = code.startswith(PROJECT_FOLDERS) and re.fullmatch(r"[\w./-]+", code)
        if is_ours or re.fullmatch(r"[\w-]+\.(lock|md|toml)", code):
            assert (ROOT / code).exists(), code


@each_document
def test_no_link_leads_nowhere(document: Path) -> None:
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        assert "://" in link or (document.parent / link).exists(), link


def test_the_readmes_table_has_every_state_with_its_module_and_no_other() -> None:
    states = dict(iter_states(read_definition()))
    told = []
    for state_cell, module_cell, done in rows(README, "state", "module", "done when"):
        name, *map_state = names_in(state_cell)
        (module,) = names_in(module_cell)
        assert states[name]["Type"] == "Task"
        assert module == f"tasks/{function_of(name).module}.py"
        assert done
        for outer in map_state:
            assert name in states[outer]["ItemProcessor"]["States"]
        told.append(name)
    assert told == [name for name, state in states.items() if state["Type"] == "Task"], "in the machine's order"


def test_the_readmes_table_has_every_function_that_a_stream_drives() -> None:
    told = {
        names_in(name)[0]: names_in(module)[0] for name, module, _ in rows(README, "function", "module", "driven by")
    }
    driven = [function for function in FUNCTIONS if function.driven_by != "state machine"]
    assert told == {function.state: f"tasks/{function.module}.py" for function in driven}


def test_the_picture_is_the_definition() -> None:
    drawn = set(EDGE.findall(README.read_text(encoding="utf-8")))
    there = set()
    for name, state in read_definition()["States"].items():
        targets = [state.get("Next"), state.get("Default"), *(choice["Next"] for choice in state.get("Choices", []))]
        there |= {(name, target) for target in targets if target}
    assert drawn == there


def test_the_readmes_settings_are_those_of_the_migration_with_their_defaults() -> None:
    told = {names_in(field)[0]: (default, means) for field, default, means in rows(README, "field", "default", "means")}
    assert set(told) == set(Migration.model_fields)
    for name, field in Migration.model_fields.items():
        default, means = told[name]
        assert ("fixed by the deployment" in means) == (name in DEPLOYED_FIELDS), name
        if isinstance(field.default, int | str):
            assert default.strip("`") == str(field.default), name


def test_every_error_that_a_document_explains_can_be_raised_and_none_that_stops_is_left_out() -> None:
    known = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    text = README.read_text(encoding="utf-8")
    told = {name for cells in rows(README, "error", "means", "way out") for name in names_in(cells[0])}
    assert {name for name in told if "." not in name} <= known
    bases = {"TableferryError", "Pending"}
    waits = {name for name in known if name.endswith("Pending")}
    assert {name for name in known - bases - waits if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("record", ADRS, ids=identity)
def test_every_decision_has_context_options_decision_and_consequences(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert text.startswith(f"# {record.name[:4]} "), "its number"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Options", "Decision", "Consequences"]
    consequences = text.partition("## Consequences")[2]
    assert "Good:" in consequences
    assert "Bad:" in consequences


def test_no_decision_is_missing_between_the_first_and_the_last() -> None:
    assert [int(record.name[:4]) for record in ADRS] == list(range(1, len(ADRS) + 1))
    for document in DOCUMENTS:
        for number in re.findall(r"\bADR (\d{4})\b", document.read_text(encoding="utf-8")):
            assert int(number) <= len(ADRS), f"{document.name}: ADR {number}"


def test_the_changelog_begins_with_the_version_that_is_built() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0].startswith(version)


def test_the_fine_print_tells_the_reserved_name_and_how_long_things_are_kept() -> None:
    text = (ROOT / "docs" / "fine-print.md").read_text(encoding="utf-8")
    assert f"`{TOMBSTONE_ATTRIBUTE}`" in text
    assert f"{KEPT_SECONDS // 86_400} days, by TTL" in text
    assert EXPIRY_ATTRIBUTE == "expires", "the attribute that every deployment turns TTL on for"


WHAT_IF = ROOT / "docs" / "what-if.md"
TEST_NAME = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)


def what_ifs() -> list[list[str]]:
    """Return the cells of every row of every table of the document."""
    cells = [[cell.strip() for cell in row.split("|")] for row in ROW.findall(WHAT_IF.read_text(encoding="utf-8"))]
    return [row for row in cells if row[0] != "what if" and not row[0].startswith("-")]


def test_every_failure_that_the_operator_is_told_about_is_tested() -> None:
    known = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in TEST_NAME.findall(file.read_text("utf-8"))
    }
    assert len(what_ifs()) > 20
    for row in what_ifs():
        assert len(row) == 5, row
        assert all(row), f"{row[0]}: each cell says something, if only that there is nothing to do"
        named = names_in(row[-1])
        assert named, row[0]
        assert set(named) <= known, f"{row[0]}: {set(named) - known} is no test"
