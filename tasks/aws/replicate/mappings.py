"""Event source mappings: how the replicator and the writer are attached to their streams, and detached."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tasks.aws.session import clients


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One event source mapping as Lambda describes it."""

    uuid: str
    state: str
    """Creating, Enabled, Disabling, Disabled, Updating, Deleting …"""
    function_name: str
    begins_at: str = "TRIM_HORIZON"
    """Where in the stream it began."""
    skips_changes: bool = False
    """Whether it may leave records out: by a filter, after some tries, at some age, or because it does not hear of
    failures."""


def find_mappings(source_arn: str) -> list[EventSourceMapping]:
    """Return all mappings of the account on a stream."""
    return _mappings(EventSourceArn=source_arn)


def _mappings(**where: str) -> list[EventSourceMapping]:
    pages = clients.lambda_().get_paginator("list_event_source_mappings").paginate(**where)  # type: ignore[arg-type] # by name
    return [
        EventSourceMapping(
            uuid=entry["UUID"],
            state=entry["State"],
            function_name=entry["FunctionArn"].split(":function:")[1].split(":")[0],
            begins_at=entry.get("StartingPosition", ""),
            skips_changes=_skips_changes(entry),
        )
        for page in pages
        for entry in page["EventSourceMappings"]
    ]


def _skips_changes(entry: Mapping[str, Any]) -> bool:
    is_limited = any(entry.get(limit, -1) != -1 for limit in ("MaximumRetryAttempts", "MaximumRecordAgeInSeconds"))
    hears_of_failures = "ReportBatchItemFailures" in entry.get("FunctionResponseTypes", [])
    # Of a filter that is encrypted with a key of its own Lambda shows no more than that.
    is_filtered = bool((entry.get("FilterCriteria") or {}).get("Filters")) or "KMSKeyArn" in entry
    return is_limited or is_filtered or "FilterCriteriaError" in entry or not hears_of_failures


def find_mapping(source_arn: str, function_name: str) -> EventSourceMapping | None:
    """Return the mapping that joins this stream and this function."""
    return next((found for found in find_mappings(source_arn) if found.function_name == function_name), None)


def attach(source_arn: str, function_name: str, **settings: Any) -> EventSourceMapping:  # noqa: ANN401 — Lambda's own options
    """Return the mapping that joins stream and function, made if there is none, switched on if it is off.

    Args:
        source_arn: of the DynamoDB or Kinesis stream.
        function_name: of the function to call.
        settings: the other parameters of CreateEventSourceMapping.
    """
    found = find_mapping(source_arn, function_name)
    if found is None:
        try:
            clients.lambda_().create_event_source_mapping(
                EventSourceArn=source_arn,
                FunctionName=function_name,
                StartingPosition="TRIM_HORIZON",  # LATEST can miss records while the mapping starts
                FunctionResponseTypes=["ReportBatchItemFailures"],
                **settings,
            )
        except ClientError as error:
            # Another attempt of this same task was quicker.
            if clients.error_code(error) != "ResourceConflictException":
                raise
        found = find_mapping(source_arn, function_name)
    elif found.state == "Disabled":
        # Somebody switched it off: waiting for it to be Enabled would wait for ever.
        clients.lambda_().update_event_source_mapping(UUID=found.uuid, Enabled=True)
    return found or EventSourceMapping("", "Creating", function_name)


def detach(source_arn: str, function_name: str) -> bool:
    """Ask for the mapping to be deleted, and say whether it is gone."""
    found = find_mapping(source_arn, function_name)
    return _delete([] if found is None else [found])


def detach_from_all(function_name: str) -> bool:
    """Ask for all mappings of a function to be deleted, whichever stream they are on, and say whether all are gone."""
    return _delete(_mappings(FunctionName=function_name))


def _delete(found: list[EventSourceMapping]) -> bool:
    for mapping in found:
        if mapping.state == "Deleting":
            continue
        try:
            clients.lambda_().delete_event_source_mapping(UUID=mapping.uuid)
        except ClientError as error:
            # Busy while it is being made or changed: the next poll asks again.
            if clients.error_code(error) not in {"ResourceInUseException", "ResourceNotFoundException"}:
                raise
    return not found
