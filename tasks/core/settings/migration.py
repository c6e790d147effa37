"""The input: one model for the deployed settings, the execution's overrides and the command line."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tasks.core.errors import Refused
from tasks.core.model.capacity import WarmThroughput

TABLE_NAME_PATTERN = r"^[a-zA-Z0-9_.-]{3,255}$"  # DynamoDB, "Naming rules"
MIGRATION_NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,34}[a-z0-9])?$"  # a function's name has 64 characters at most
MAX_SEGMENTS = 10_000  # a Distributed Map's limit of children side by side
EXECUTION_ARN = re.compile(r"arn:aws[\w-]*:states:[\w-]+:\d{12}:execution:[^:/]+:[^:]+")


class Scope(Enum):
    """For how long a setting stands, and so who may set it. Each field says its own; every list of fields follows."""

    MIGRATION = auto()
    """Mappings and the conflict rule are made for it: fixed by the deployment, and no run goes on under another."""
    DEPLOYMENT = auto()
    """Roles are made for it: fixed by the deployment, and a run that is resumed goes by what is deployed by then."""
    RUN = auto()
    """An execution's input may override it; one that resumes it takes it over, unless its own input says otherwise."""
    EXECUTION = auto()
    """Of one execution's input: it cannot be deployed, and no other execution takes it over."""


MigrationName = Annotated[str, Field(pattern=MIGRATION_NAME_PATTERN)]
TableName = Annotated[str, Field(pattern=TABLE_NAME_PATTERN)]
SegmentCount = Annotated[int, Field(strict=True, ge=1, le=MAX_SEGMENTS)]


class Named(BaseModel):
    """Which migration it is. A plan has the tables themselves in place of their names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    migration: Annotated[MigrationName, Scope.MIGRATION]
    """Names the stack, its resources and the pointer `/tableferry/<migration>/active-table`."""

    source_table: Annotated[TableName, Scope.MIGRATION]
    target_table: Annotated[TableName, Scope.MIGRATION]


class Knobs(BaseModel):
    """What can be set besides: the input has it, and the plan, where it is resolved. Nothing else says it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    replica_regions: Annotated[tuple[str, ...], Scope.DEPLOYMENT] = ()
    """Regions that get a replica of the target, besides the one it is in."""

    add_replicas: Annotated[Literal["first", "after-backfill"], Scope.RUN] = "first"
    """When they are added: before the backfill, or behind it, where a Region is charged as a restore of the table.

    Either way each is ACTIVE before the proof.
    """

    without_indexes: Annotated[tuple[str, ...], Scope.RUN] = ()
    """Indexes of the source that the target is made without, to be added once the proof is green.

    They are global ones: only a target that was made beforehand can do without a local one, and never gets it.

    An index that was added to a table later leaves out items that it cannot take; a table that is made with it refuses
    them.
    """

    version_attribute: Annotated[str | None, Field(min_length=1, max_length=255), Scope.MIGRATION] = None
    """A number that grows with every write of an item (such as `updatedAt`).

    With it a page also replaces an older item; without it a page only inserts what is absent, which is always safe.
    """

    approval: Annotated[Literal["required", "automatic"], Scope.RUN] = "required"
    """`automatic` cuts over without asking once the proof is green."""

    total_segments: Annotated[SegmentCount | None, Scope.RUN] = None
    """Slices of the parallel scan; from the table's size when not given. A resume keeps their number."""

    max_concurrency: Annotated[SegmentCount, Scope.RUN] = 40
    """Segments that are scanned at the same time."""

    read_units_per_second: Annotated[int | None, Field(strict=True, ge=1), Scope.RUN] = None
    """The most read units a second that scan and proof take of the source, and the proof of the target.

    Without it half of what is provisioned of a table; of a table on demand there is no bound.
    """

    write_units_per_second: Annotated[int | None, Field(strict=True, ge=1), Scope.RUN] = None
    """The most write units a second, as AWS bills them, indexes included, that pages take of the target.

    Without it half of what is provisioned; on demand there is no bound. Changes are not held back by it.
    """

    warm_throughput: Annotated[WarmThroughput | None, Scope.RUN] = None
    """What the target, and each of its global indexes, takes at once, where the migration makes it."""

    settle_seconds: Annotated[int, Field(strict=True, ge=1, le=3600), Scope.RUN] = 30
    """How long the source's stream must have been enabled before the first page is read."""

    lag_limit_seconds: Annotated[int, Field(strict=True, ge=60, le=24 * 3600), Scope.RUN] = 18 * 3600
    """How old a change may grow before it is applied; past it every wait says so. The stream keeps it for 24 hours."""

    quiet_seconds: Annotated[int, Field(strict=True, ge=1, le=86_400), Scope.RUN] = 60
    """How long the source must have had no write, after the cut-over, before the replicator goes."""

    max_rejects: Annotated[int, Field(strict=True, ge=0, le=200), Scope.RUN] = 0
    """How many items that the target refuses may differ when the proof begins, to be mended while it runs.

    Not more than are read again side by side: one that differs is looked at several times, all within one call.
    """

    max_cost_usd: Annotated[float | None, Field(strict=True, gt=0), Scope.RUN] = None
    """The most that the run may cost by its plan, in US dollars of us-east-1, the owner's live writes aside.

    Preflight refuses a run whose plan says more. Nothing stops one that comes to cost more.
    """

    resume_from: Annotated[str | None, Scope.EXECUTION] = None
    """ARN of an execution of this migration that did not succeed: go on where it ended, under the same run."""

    @field_validator("resume_from")
    @classmethod
    def _is_an_executions_arn(cls, arn: str | None) -> str | None:
        if arn is not None and not EXECUTION_ARN.fullmatch(arn):
            raise ValueError(
                f"{arn!r} is no execution's ARN; it looks like "
                "arn:aws:states:eu-west-1:123456789012:execution:tableferry-orders:2026-01-31"
            )
        return arn

    @model_validator(mode="after")
    def _regions_differ(self) -> Self:
        if len(set(self.replica_regions)) != len(self.replica_regions):
            raise ValueError("replica_regions names a region twice; name each once")
        return self

    def knobs(self) -> dict[str, Any]:
        """Return them all by name, as a plan takes them over."""
        return {name: getattr(self, name) for name in Knobs.model_fields}


class Migration(Knobs, Named):  # in a message the last base's fields come first
    """The settings of one migration, as deployed or as overridden by an execution's input."""

    @model_validator(mode="after")
    def _tables_differ(self) -> Self:
        if self.source_table == self.target_table:
            raise ValueError("source_table and target_table are the same table; name another target")
        return self


def fields_of(model: type[BaseModel], *scopes: Scope) -> tuple[str, ...]:
    """Return the settings of a model that are of these scopes, in its order."""
    return tuple(name for name, field in model.model_fields.items() if any(scope in field.metadata for scope in scopes))


DEPLOYED_FIELDS: Final = fields_of(Migration, Scope.MIGRATION, Scope.DEPLOYMENT)
"""Roles, mappings and the conflict rule are made for these: another value needs another deployment."""

NOT_OURS = frozenset({"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID", "Comment"})
"""Fields that Step Functions puts into an input: that of the console's sample, and that by which an execution which
starts another one is linked to it in the console."""


def parse_migration(settings: Mapping[str, Any]) -> Migration:
    """Check settings.

    Raises:
        Refused: with every field that is wrong, by name, and why.
    """
    try:
        return Migration.model_validate(dict(settings))
    except ValidationError as error:
        raise Refused(in_words(error, Migration)) from None


def apply_overrides(deployed: Migration, execution_input: object) -> Migration:
    """Return the deployed settings with the execution's input laid over them.

    `{}` and the console's sample input (`{"Comment": "…"}`) change nothing.

    Raises:
        Refused: for input that is no object, unknown fields, bad values, and fields fixed by the deployment.
    """
    if not isinstance(execution_input, Mapping):
        raise Refused(
            f"the execution's input is a JSON {_json_type(execution_input)}, which holds no settings; "
            "start it with an object: {} for the deployed settings, or fields of the migration to override"
        )
    overrides = overrides_in(execution_input)
    as_deployed = deployed.model_dump(mode="json")
    fixed = [name for name in DEPLOYED_FIELDS if name in overrides and overrides[name] != as_deployed[name]]
    if fixed:
        raise Refused(
            f"{_listed(fixed)} cannot be overridden: the deployed roles, mappings and conflict rule are made for "
            f"{', '.join(f'{name}={as_deployed[name]!r}' for name in fixed)}; "
            "leave it out, or deploy a migration with the other value"
        )
    return parse_migration({**as_deployed, **overrides})


def overrides_in(execution_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an execution's input that are meant for the migration."""
    return {name: value for name, value in execution_input.items() if name not in NOT_OURS}


def in_words(error: ValidationError, model: type[BaseModel]) -> str:
    """Return what is wrong with a model's fields, each by its name, in one line."""
    unknown = [
        str(line["loc"][0]) for line in error.errors() if line["type"] == "extra_forbidden" and len(line["loc"]) == 1
    ]
    problems = []
    if unknown:
        problems.append(f"unknown field {_listed(unknown)}; the fields are {', '.join(model.model_fields)}")
    for line in error.errors(include_url=False, include_context=False):
        if line["type"] == "extra_forbidden" and len(line["loc"]) == 1:
            continue
        where = ".".join(str(part) for part in line["loc"])
        message = line["msg"].removeprefix("Value error, ")
        problems.append(f"{where}: {message}" if where else message)
    return "; ".join(problems)


def other_form(error: ValidationError) -> str:
    """Return where something stored does not have the form that its model reads, in one line."""
    return "; ".join(f"{'.'.join(map(str, line['loc'])) or 'it'}: {line['msg']}" for line in error.errors())


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _json_type(value: object) -> str:
    return {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}.get(type(value), "null")
