"""What the roles allow, held against what the functions needed while the whole suite ran.

Less than is needed cannot stay hidden: the local AWS refuses the call, and a migration fails. More than is needed
shows only at the end of all tests; `tests/conftest.py` asks this module then.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from infra.aws.functions.grants import CHILDREN, CONTROL, MAP_RUNS, Grant
from infra.aws.functions.registry import FUNCTIONS, function_of
from infra.aws.functions.streams import STREAMS
from infra.aws.permissions import grants_of
from infra.local.emulator.client import ACCOUNT
from tasks.core.settings.migration import Migration
from tests.workflow.running import REGION, TOKYO
from workflow.machine import Names
from workflow.settings import Placement, Settings

NOT_SEEN_HERE = ("logs:", "xray:")
"""The local AWS has neither logs nor traces: Lambda writes both with the function's role."""
NOT_MADE_HERE = frozenset({CHILDREN, MAP_RUNS})
"""Its Maps are inline: their iterations are in the execution's own history."""

BY_FAKES_ONLY = {
    ("PlanSegments", "dynamodb:BatchWriteItem", CONTROL): (
        "tests/unit/test_plan_segments.py",
        "test_cursors_that_do_not_fit_are_kept_and_the_next_resume_finds_them",  # 160 KiB of them
    ),
}
"""What no migration of the suite is large enough for, and the test that makes the call."""

_CALLER = re.compile(r"tableferry-(?P<migration>test-[a-z0-9-]+)-(?P<state>[A-Z][A-Za-z]+)")
"""Of migrations that `tests.workflow.running` deployed: it names tables after them."""

Allowed = tuple[str, str, str]
"""(state, action, resource with its holes)"""
Record = Mapping[str, Iterable[Mapping[str, Any]]]
"""Caller to what it needed, as the local AWS writes it down."""


def allowed() -> set[Allowed]:
    """Return all that the roles of a migration with a replica allow, but for what cannot be seen here."""
    return {
        (function.state, action, resource)
        for function in FUNCTIONS
        for grant in grants_of(function, _settings("any"))
        for action in grant.actions
        for resource in grant.resources
        if not action.startswith(NOT_SEEN_HERE) and resource not in NOT_MADE_HERE
    } - set(BY_FAKES_ONLY)


def in_use(record: Record) -> set[Allowed]:
    """Return what of it was needed."""
    return {
        (found["state"], needed["action"], resource)
        for caller, needs in record.items()
        if (found := _CALLER.fullmatch(caller))
        for needed in needs
        for grant in grants_of(function_of(found["state"]), _settings(found["migration"]))
        for resource in _matching(grant, needed, _values(found["migration"]))
    }


def read_records(folder: Path) -> Iterator[Record]:
    """Yield what each local AWS wrote down."""
    for file in sorted(folder.glob("*.json")):
        yield json.loads(file.read_text(encoding="utf-8"))["used"]


def unused(folder: Path) -> list[str]:
    """Return, in words, what the roles allow and nobody needed."""
    used = set().union(*map(in_use, read_records(folder)))
    return [
        f"the role of {state} allows {action} on {resource}, and no call of the suite needed it: take it out of "
        "infra/aws/functions, or write the test that needs it"
        for state, action, resource in sorted(allowed() - used)
    ]


def _matching(grant: Grant, needed: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[str]:
    if needed["action"] in grant.actions:
        for resource in grant.resources:
            if fnmatchcase(needed["resource"], resource.format_map(values)):
                yield resource


def _settings(migration: str) -> Settings:
    return Settings(
        migration=Migration(
            migration=migration,
            source_table=f"{migration}-source",
            target_table=f"{migration}-target",
            replica_regions=(TOKYO,),
        ),
        deployment=Placement(region=REGION),
    )


def _values(migration: str) -> dict[str, str]:
    names = Names(migration)
    return {
        "partition": "aws",
        "region": REGION,
        "account": ACCOUNT,
        "migration": migration,
        "source_table": f"{migration}-source",
        "target_table": f"{migration}-target",
        "control_table": names.control_table,
        "pages_stream": names.pages_stream,
        "rejects_bucket": f"{names.state_machine}-rejects*",
        "state_machine": names.state_machine,
        "function": "*",
        **{function.state: names.function(function.state) for function in STREAMS},
    }
