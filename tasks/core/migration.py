"""The input: one model for the deployed settings, the execution's overrides and the command line."""

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tasks.core.errors import Refused

TABLE_NAME_PATTERN = r"^[a-zA-Z0-9_.-]{3,255}$"  # DynamoDB, "Naming rules"
MIGRATION_NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,34}[a-z0-9])?$"  # a function's name has 64 characters at most
MAX_SEGMENTS = 10_000  # a Distributed Map's limit of children side by side
EXECUTION_ARN = re.compile(r"arn:aws[\w-]*:states:[\w-]+:\d{12}:execution:[^:/]+:[^:]+")


class Migration(BaseModel):
    """The settings of one migration, as deployed or as overridden by an execution's input."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    migration: str = Field(pattern=MIGRATION_NAME_PATTERN)
    """Names the stack, its resources and the pointer `/tableferry/<migration>/active-table`."""

    source_table: str = Field(pattern=TABLE_NAME_PATTERN)
    target_table: str = Field(pattern=TABLE_NAME_PATTERN)

    replica_regions: tuple[str, ...] = ()
    """Regions that get a replica of the target, besides the one it is in."""

    version_attribute: str | None = Field(default=None, min_length=1, max_length=255)
    """A number that grows with every write of an item (such as `updatedAt`).

    With it a page also replaces an older item; without it a page only inserts what is absent, which is always safe.
    """

    approval: Literal["required", "automatic"] = "required"
    """`automatic` cuts over without asking once the proof is green."""

    total_segments: int | None = Field(default=None, strict=True, ge=1, le=MAX_SEGMENTS)
    """Slices of the parallel scan; from the table's size when not given."""

    max_concurrency: int = Field(default=40, strict=True, ge=1, le=MAX_SEGMENTS)
    """Segments that are scanned at the same time."""

    settle_seconds: int = Field(default=30, strict=True, ge=1, le=3600)
    """How long the source's stream must have been enabled before the first page is read."""

    lag_limit_seconds: int = Field(default=18 * 3600, strict=True, ge=60, le=24 * 3600)
    """How old a change may grow before it is applied; past it every wait says so. The stream keeps it for 24 hours."""

    quiet_seconds: int = Field(default=60, strict=True, ge=1, le=86_400)
    """How long the source must have had no write, after the cut-over, before the replicator goes."""

    resume_from: str | None = None
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
    def _tables_and_regions_differ(self) -> Self:
        if self.source_table == self.target_table:
            raise ValueError("source_table and target_table are the same table; name another target")
        if len(set(self.replica_regions)) != len(self.replica_regions):
            raise ValueError("replica_regions names a region twice; name each once")
        return self


DEPLOYED_FIELDS = ("migration", "source_table", "target_table", "replica_regions", "version_attribute")
"""Roles, mappings and the conflict rule are made for these: another value needs another deployment."""


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

    `{}` and the console's sample input (`{"Comment": "…"}` alone) change nothing.

    Raises:
        Refused: for input that is no object, unknown fields, bad values, and fields fixed by the deployment.
    """
    if not isinstance(execution_input, Mapping):
        raise Refused(
            f"the execution's input is a JSON {_json_type(execution_input)}, which holds no settings; "
            "start it with an object: {} for the deployed settings, or fields of the migration to override"
        )
    overrides = {} if set(execution_input) == {"Comment"} else dict(execution_input)
    as_deployed = deployed.model_dump(mode="json")
    fixed = [name for name in DEPLOYED_FIELDS if name in overrides and overrides[name] != as_deployed[name]]
    if fixed:
        raise Refused(
            f"{_listed(fixed)} can not be overridden: the deployed roles, mappings and conflict rule are made for "
            f"{', '.join(f'{name}={as_deployed[name]!r}' for name in fixed)}; "
            "leave it out, or deploy a migration with the other value"
        )
    return parse_migration({**as_deployed, **overrides})


def in_words(error: ValidationError, model: type[BaseModel]) -> str:
    """Return what is wrong with a model's fields, each by its name, in one line."""
    unknown = [str(line["loc"][0]) for line in error.errors() if line["type"] == "extra_forbidden"]
    problems = []
    if unknown:
        problems.append(f"unknown field {_listed(unknown)}; the fields are {', '.join(model.model_fields)}")
    for line in error.errors(include_url=False, include_context=False):
        if line["type"] == "extra_forbidden":
            continue
        where = ".".join(str(part) for part in line["loc"])
        message = line["msg"].removeprefix("Value error, ")
        problems.append(f"{where}: {message}" if where else message)
    return "; ".join(problems)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _json_type(value: object) -> str:
    return {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}.get(type(value), "null")
