"""What `python -m workflow plan` reads: settings, tables, quotas, a sample of the source, how much is written to it.

It reads and changes nothing. It goes by what is deployed, or by a settings file before anything is.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tasks.aws.books.books import Books
from tasks.aws.replicate.streams import open_shards
from tasks.aws.run.facts import read_facts
from tasks.aws.run.sample import read_sample
from tasks.core.copy.segment import plan_total_segments
from tasks.core.errors import Refused
from tasks.core.forecast.counted import Seen
from tasks.core.forecast.estimate import estimate
from tasks.core.forecast.prices import PriceList, parse_prices
from tasks.core.forecast.sample import Sample
from tasks.core.model.table_facts import TableFacts
from tasks.core.run.outlook import Outlook, outlook
from tasks.core.run.plan import Facts
from tasks.core.settings.migration import Migration, apply_overrides, parse_migration
from workflow import execution
from workflow.machine import Machine, Names
from workflow.refusals import CommandRefused, in_words
from workflow.settings import Placement, read_settings

OBSERVED: Final = timedelta(days=1)
"""For which the source's writes are looked up."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is planned, and for where."""

    settings: Migration
    region: str
    pages_shards: int | None
    """Of a stream of pages with a fixed number."""
    window_seconds: float
    """For which changes are gathered."""
    machine: Machine | None = None
    """`None` before it is deployed."""


def subject_of_file(file: Path, execution_input: object) -> Subject:
    """Return what a settings file says, before anything is deployed.

    Raises:
        CommandRefused: the file or the input is not as it should be.
    """
    found = read_settings(file)
    settings, placement = _overridden(found.migration, execution_input), found.deployment
    window = float(placement.replicator_window_seconds)
    return Subject(settings, placement.region, placement.pages_shards, window)


def subject_deployed(session: boto3.Session, machine: Machine, execution_input: object) -> Subject:
    """Return what is deployed: the settings that Preflight has, and the stream of pages as it is.

    Raises:
        CommandRefused: it cannot be read, or the input is not as it should be.
    """
    names = Names(machine.migration)
    client = session.client("lambda", region_name=machine.region)
    with in_words(f"reading the deployed settings of {machine.migration}"):
        preflight = client.get_function_configuration(FunctionName=names.function("Preflight"))
        attach = client.get_function_configuration(FunctionName=names.function("AttachReplicator"))
        pages = session.client("kinesis", region_name=machine.region).describe_stream_summary(
            StreamName=names.pages_stream
        )["StreamDescriptionSummary"]
    is_fixed = pages.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED") == "PROVISIONED"
    window = _variables(attach).get("REPLICATE_CHANGES_WINDOW_SECONDS")
    return Subject(
        _overridden(parse_migration(json.loads(_variables(preflight)["MIGRATION_SETTINGS"])), execution_input),
        machine.region,
        pages["OpenShardCount"] if is_fixed else None,
        float(window or Placement.model_fields["replicator_window_seconds"].default),
        machine,
    )


def _variables(function: Any) -> dict[str, str]:  # noqa: ANN401 — of the SDK, whose stubs have it as a total mapping
    variables: dict[str, str] = function.get("Environment", {}).get("Variables", {})
    return variables


def _overridden(deployed: Migration, execution_input: object) -> Migration:
    try:
        return apply_overrides(deployed, execution_input)
    except Refused as refusal:
        raise CommandRefused(str(refusal)) from None


def read_prices(file: Path | None) -> PriceList:
    """Return the prices of a file, or those of this version.

    Raises:
        CommandRefused: the file cannot be read, or is no list of prices.
    """
    if file is None:
        return PriceList()
    try:
        return parse_prices(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandRefused(f"the list of prices {file} cannot be read ({error}); correct its path") from None
    except Refused as refusal:
        raise CommandRefused(f"{file}: {refusal}") from None


def read_outlook(
    session: boto3.Session, subject: Subject, *, pages: int, writes_per_second: float | None, prices: PriceList
) -> Outlook:
    """Look at everything, and say what a run will take.

    Args:
        session: of the SDK.
        subject: what is planned.
        pages: of the source that are looked at; 0 for none.
        writes_per_second: to the source; `None` to look it up.
        prices: of the bill.

    Raises:
        CommandRefused: there is no such source, or AWS could not be asked.
    """
    # What asks AWS is the functions' own code: it goes by the Region that Lambda would tell it.
    os.environ["AWS_REGION"] = subject.region
    boto3.setup_default_session(region_name=subject.region)
    settings = subject.settings
    with in_words(f"looking at {settings.source_table} in {subject.region}"):
        facts = _facts(session, subject)
        source = facts.source
        if source is None:
            raise CommandRefused(
                f"source_table {settings.source_table} does not exist in {subject.region}; correct its name"
            )
        sample = Sample()
        if pages:
            segments = settings.total_segments or plan_total_segments(source.size_bytes)
            sample = read_sample(source, subject.region, pages=pages, total_segments=segments)
        shards = len(open_shards(source.stream_arn)) if source.stream_arn is not None else None
    if writes_per_second is None:
        writes_per_second = _observed_writes(session, subject.region, source, sample)
    seen = Seen(
        source=source,
        target=facts.target,
        table_write_limit=facts.table_write_limit,
        writes_per_second=writes_per_second,
        source_shards=shards,
        sample=sample,
        pages_shards=subject.pages_shards,
        window_seconds=subject.window_seconds,
    )
    return outlook(settings, seen, facts, prices)


def _facts(session: boto3.Session, subject: Subject) -> Facts:
    """Return what Preflight would see, but for executions that run: a plan may be made beside one."""
    record = None
    if subject.machine is not None:
        record = Books(execution.control_table(session, subject.machine), "").record
    replicator = Names(subject.settings.migration).function("ReplicateChanges")
    return read_facts(subject.settings, record, replicator=replicator)


def _observed_writes(session: boto3.Session, region: str, source: TableFacts, sample: Sample) -> float | None:
    """Return how many items a second the source's users wrote over the last day; `None` where CloudWatch has nothing.

    It knows write units: one item takes as many as one of the sample, in the table alone.
    """
    now = datetime.now(UTC)
    with suppress(ClientError, BotoCoreError):  # it only serves some lines of the bill, and may be forbidden
        client = session.client("cloudwatch", region_name=region)
        points = client.get_metric_statistics(
            Namespace="AWS/DynamoDB",
            MetricName="ConsumedWriteCapacityUnits",
            Dimensions=[{"Name": "TableName", "Value": source.name}],
            StartTime=now - OBSERVED,
            EndTime=now,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        if points:
            units: float = sum(point["Sum"] for point in points) / OBSERVED.total_seconds()
            return float(units / (sample.write_units_an_item or estimate(source).units_an_item))
    return None
