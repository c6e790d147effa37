"""The settings file of a deployment: the migration's own settings, and where and how it is deployed."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tasks.core.errors import Refused
from tasks.core.migration import Migration, in_words, parse_migration

REGION_PATTERN = r"^[a-z]{2}(-[a-z]+)+-\d$"
PAGES_KEPT_HOURS = 72
"""By the stream of pages: a writer that fails on a Friday evening is mended on a Monday."""
OF_AN_EXECUTION = "resume_from"
"""A field of the model that is no setting of a deployment."""
OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-")
EXAMPLE = Path(__file__).with_name("migration.example.yaml")


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
        Refused: it can not be read, is no YAML mapping, or a field is wrong; every field that is, by name, and why.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(
            f"the settings file {file} can not be read ({error.strerror}); copy {EXAMPLE.name}, fill it in, and give "
            "that file as SETTINGS=…"
        ) from None
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 — a SafeLoader
    except yaml.YAMLError as error:
        raise Refused(f"{file} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise Refused(f"{file} holds no fields; {EXAMPLE.name} shows them all")
    return parse_settings(found, name=str(file))


def parse_settings(found: dict[str, Any], *, name: str) -> Settings:
    """Check what a settings file holds.

    Args:
        found: its fields, those of the migration at the top.
        name: of the file, for the message.

    Raises:
        Refused: a field is wrong.
    """
    fields = dict(found)
    if not isinstance(fields.get("deployment"), dict):
        raise Refused(
            f"{name}: deployment is missing: it says at least the region of the source, as {EXAMPLE.name} shows"
        )
    if OF_AN_EXECUTION in fields:
        raise Refused(
            f"{name}: {OF_AN_EXECUTION} names one execution: every later one would go on from it; give it as an "
            "execution's input"
        )
    try:
        placement = Placement.model_validate(fields.pop("deployment"))
    except ValidationError as error:
        raise Refused(f"{name}: deployment: {in_words(error, Placement)}") from None
    try:
        migration = parse_migration(fields)
    except Refused as refusal:
        raise Refused(f"{name}: {refusal}") from None
    if placement.region in migration.replica_regions:
        raise Refused(
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
