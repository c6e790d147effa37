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

from infra.aws.functions.registry import FUNCTIONS
from infra.aws.permissions import grants_of
from infra.documents import done_when
from tasks.aws.books.control import EXPIRY_ATTRIBUTE, KEPT_SECONDS
from tasks.core.model.item import TOMBSTONE_ATTRIBUTE
from tasks.core.settings.migration import DEPLOYED_FIELDS, Migration, parse_migration
from tests.contract.call_graph import ROOT, reached
from tests.infra.synthesized import example
from workflow.cli import app
from workflow.definition import iter_states, read_definition
from workflow.execution import check_input

README = ROOT / "README.md"
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PROJECT_FOLDERS = ("tasks/", "workflow/", "infra/", "tests/", "docs/", ".ci/")

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)\)")
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


def rows_of(document: Path) -> list[list[str]]:
    """Return the cells of every row of every table of a document, without its headings."""
    lines = document.read_text(encoding="utf-8").splitlines()
    found = [line for number, line in enumerate(lines) if not lines[min(number + 1, len(lines) - 1)].startswith("|---")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in found if re.match(r"\|[^-]", line)]


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


def test_every_state_says_in_its_module_when_it_is_done() -> None:
    tasks = [function for function in FUNCTIONS if function.is_state]
    assert {name for name, state in iter_states(read_definition()) if state["Type"] == "Task"} == {
        function.state for function in tasks
    }
    assert [function.state for function in tasks if not done_when(function)] == []


def test_the_readme_sells_and_starts_and_leaves_the_rest_to_others() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 125
    assert "](docs/migration.svg)" in text
    linked = {link for link in LINK.findall(text) if link.startswith("docs/")}
    own = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")}
    assert own - linked == {"docs/testing-with-step-functions-local.md"}, "it is reached from local-aws.md"


def test_every_limit_says_what_follows_and_what_to_do() -> None:
    told = rows_of(ROOT / "docs" / "fine-print.md")
    assert len(told) > 40
    for cells in told:
        assert len(cells) == 3, cells[0]
        assert all(cells), cells[0]


def test_the_settings_that_are_told_are_those_of_the_migration_with_their_defaults() -> None:
    table = rows(ROOT / "docs" / "settings.md", "field", "default", "means")
    told = {names_in(field)[0]: (default, means) for field, default, means in table}
    assert set(told) == set(Migration.model_fields)
    for name, field in Migration.model_fields.items():
        default, means = told[name]
        assert ("fixed by the deployment" in means) == (name in DEPLOYED_FIELDS), name
        if isinstance(field.default, int | str):
            assert default.strip("`") == str(field.default), name


@pytest.mark.parametrize("record", ADRS, ids=identity)
def test_every_decision_has_context_options_decision_and_consequences(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert text.startswith(f"# {record.name[:4]} "), "its number"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Options", "Decision", "Consequences"]
    consequences = text.partition("## Consequences")[2]
    assert "Good:" in consequences
    assert "Bad:" in consequences


def test_no_decision_is_missing_between_the_first_and_the_last() -> None:
    numbers = [int(record.name[:4]) for record in ADRS]
    assert numbers == list(range(1, len(ADRS) + 1))
    for document in DOCUMENTS:
        for number in re.findall(r"\bADR (\d{4})\b", document.read_text(encoding="utf-8")):
            assert int(number) in numbers, f"{document.name}: ADR {number}"


def test_the_changelog_begins_with_the_version_that_is_built() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0].startswith(version)


def test_the_reserved_name_is_told_and_how_long_things_are_kept() -> None:
    assert f"`{TOMBSTONE_ATTRIBUTE}`" in (ROOT / "docs" / "fine-print.md").read_text(encoding="utf-8")
    assert f"{KEPT_SECONDS // 86_400} days, by TTL" in (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert EXPIRY_ATTRIBUTE == "expires", "the attribute that every deployment turns TTL on for"


WHAT_IF = ROOT / "docs" / "what-if.md"
TEST_NAME = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)


def what_ifs() -> list[list[str]]:
    """Return the cells of every row of every table of the document."""
    return rows_of(WHAT_IF)


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


READS = ("BatchGet", "Decrypt", "Describe", "Get", "List", "Query", "Scan", "Subscribe")


def test_every_call_that_a_role_may_change_something_by_is_in_the_list_of_refusals() -> None:
    """A refusal that nobody thought of comes raw, in a state long after it could have been known."""
    headings = ("call, and its state", "AWS refuses it for", "looked at beforehand", "else, it comes as", "tested by")
    told = "\n".join(cells[0] for cells in rows(WHAT_IF, *headings))
    # Without replicas: what DynamoDB does in other Regions for an UpdateTable is that call's affair.
    alone = example()
    alone = alone.model_copy(update={"migration": alone.migration.model_copy(update={"replica_regions": ()})})
    grants = [grant for function in FUNCTIONS for grant in grants_of(function, alone)]
    actions = {action for grant in grants for action in grant.actions}
    # Logs and traces that cannot be written stop nothing.
    granted = {action.partition(":")[2] for action in actions if not action.startswith(("logs:", "xray:"))}
    changing = {call for call in granted if not call.startswith(READS)}
    assert {"BatchWriteItem", "CreateTable", "PutItem", "PutObject", "UpdateTable"} < changing
    assert sorted(call for call in changing if not re.search(rf"\b{call}\b", told)) == []


def test_every_state_that_looks_at_the_route_again_is_in_the_table_of_facts_and_no_other() -> None:
    """A state that takes the route and does not look, or a table that promises a look which nobody takes."""
    looks = {("tasks.aws.replicate.route", "check"), ("tasks.aws.replicate.route", "check_late")}
    looking = {function.state for function in FUNCTIONS if looks & reached(function.module)}
    facts = {cells[0]: names_in(cells[2]) for cells in what_ifs() if cells[1] and "`test_" not in cells[2]}
    (of_mapping,) = [states for fact, states in facts.items() if fact.startswith("the replicator's mapping leaves")]
    assert set(of_mapping) == looking
    (of_stream,) = [states for fact, states in facts.items() if fact.startswith("its stream is on")]
    assert set(of_stream) - {"DetachReplicator"} == looking | {"ScanSegment"}
