"""The settings file of a deployment: the migration's own settings, and where and how it is deployed.

The stack is made of it (`infra.aws`), and `python -m workflow plan` reads it before anything is deployed.
"""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tasks.core.errors import Refused
from tasks.core.settings.migration import Migration, Scope, fields_of, in_words, parse_migration
from workflow.refusals import CommandRefused

REGION_PATTERN = r"^[a-z]{2}(-[a-z]+)+-\d$"
OF_AN_EXECUTION = fields_of(Migration, Scope.EXECUTION)
"""Fields of the model that are no settings of a deployment."""
OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-")
EXAMPLE = Path(__file__).resolve().parents[1] / "infra" / "aws" / "migration.example.yaml"


class ReservedConcurrency(BaseModel):
    """Calls side by side that are kept for a function, and the most that it gets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    write_pages: int | None = Field(default=None, strict=True, ge=1, le=100_000)
    """Two for each shard of the stream of pages are of use."""

    replicate_changes: int | None = Field(default=None, strict=True, ge=1, le=100_000)
    """One for each shard of the source's stream at least: with fewer it falls behind."""


class Placement(BaseModel):
    """Where the stack is, and what only the stack has to know: the part `deployment` of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str = Field(pattern=REGION_PATTERN)
    """The Region of source and target."""

    account: str | None = Field(default=None, pattern=r"^\d{12}$")
    """Deploy into this account only, whatever credentials are at hand."""

    alarm_email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")
    """Who is told of alarms and of the approval; the address has to confirm it once."""

    pages_shards: int | None = Field(default=None, strict=True, ge=1, le=500)
    """Shards of the stream of pages; without it the stream is on demand."""

    stream_reads_per_second: float = Field(default=1.0, strict=True, gt=0, le=1000)
    """How often a look for the tips of the source's stream reads one shard in a second. A shard takes five reads from
    all its readers, and Lambda makes four of them; where the stream has no other reader than that, one is left."""

    replicator_window_seconds: int = Field(default=5, strict=True, ge=0, le=30)
    """For how long changes of a shard are gathered before the replicator is called: its price while nothing happens.
    Each wait for the replicator may take so much longer."""

    reserved_concurrency: ReservedConcurrency | None = None
    """What the functions that streams drive have of Lambda's concurrency for themselves, so that neither they nor the
    account's other functions are starved. Lambda keeps at least 100 of the account's for functions without a share."""

    kms_key_arns: tuple[str, ...] = ()
    """Customer managed keys that source or target are encrypted with; AWS's own keys need no entry."""

    log_retention_days: Literal[7, 14, 30, 60, 90, 180, 365] = 90

    @field_validator("region")
    @classmethod
    def _is_of_the_partition_aws(cls, region: str) -> str:
        if region.startswith(OTHER_PARTITIONS):
            raise ValueError(f"{region} is of another partition of AWS, where the definition's ARNs would be wrong")
        return region


class Settings(BaseModel):
    """A whole settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    migration: Migration
    deployment: Placement


def read_settings(file: Path) -> Settings:
    """Read and check a settings file.

    Raises:
        CommandRefused: it cannot be read, is no YAML mapping, or a field is wrong; every field that is, by name, and
            why.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandRefused(
            f"the settings file {file} cannot be read ({error.strerror}); copy {EXAMPLE.name}, fill it in, and give "
            "that file as SETTINGS=…"
        ) from None
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 — a SafeLoader
    except yaml.YAMLError as error:
        raise CommandRefused(f"{file} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise CommandRefused(f"{file} holds no fields; {EXAMPLE.name} shows them all")
    return parse_settings(found, name=str(file))


def parse_settings(found: dict[str, Any], *, name: str) -> Settings:
    """Check what a settings file holds.

    Args:
        found: its fields, those of the migration at the top.
        name: of the file, for the message.

    Raises:
        CommandRefused: a field is wrong.
    """
    fields = dict(found)
    if not isinstance(fields.get("deployment"), dict):
        raise CommandRefused(
            f"{name}: deployment is missing: it says at least the region of the source, as {EXAMPLE.name} shows"
        )
    for field in OF_AN_EXECUTION:
        if field in fields:
            raise CommandRefused(
                f"{name}: {field} is for one execution, and here it would be for every later one; give it as an "
                "execution's input"
            )
    try:
        placement = Placement.model_validate(fields.pop("deployment"))
    except ValidationError as error:
        raise CommandRefused(f"{name}: deployment: {in_words(error, Placement)}") from None
    try:
        migration = parse_migration(fields)
    except Refused as refusal:
        raise CommandRefused(f"{name}: {refusal}") from None
    if placement.region in migration.replica_regions:
        raise CommandRefused(
            f"{name}: replica_regions names {placement.region}, where the target itself is; name only the other Regions"
        )
    return Settings(migration=migration, deployment=placement)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a field given twice, of which YAML itself would take the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 — PyYAML's own signature
        """Construct a mapping, each key of which stands once."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(map(str, sorted(twice)))} stands there twice; keep one", node.start_mark
            )
        return super().construct_mapping(node, deep)
