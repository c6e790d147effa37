"""Event source mappings: how the replicator and the writer are attached to their streams, and detached."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tasks.aws import clients


@dataclass(frozen=True, slots=True)
class Mapping:
    """One event source mapping as Lambda describes it."""

    uuid: str
    state: str
    """Creating, Enabled, Disabling, Disabled, Updating, Deleting …"""
    function_name: str
    last_result: str


def find_mappings(source_arn: str) -> list[Mapping]:
    """Return all mappings of the account on a stream."""
    pages = clients.lambda_().get_paginator("list_event_source_mappings").paginate(EventSourceArn=source_arn)
    return [
        Mapping(
            uuid=entry["UUID"],
            state=entry["State"],
            function_name=entry["FunctionArn"].split(":function:")[1].split(":")[0],
            last_result=entry.get("LastProcessingResult", ""),
        )
        for page in pages
        for entry in page["EventSourceMappings"]
    ]


def find_mapping(source_arn: str, function_name: str) -> Mapping | None:
    """Return the mapping that joins this stream and this function."""
    return next((found for found in find_mappings(source_arn) if found.function_name == function_name), None)


def attach(source_arn: str, function_name: str, **settings: Any) -> Mapping:  # noqa: ANN401 — Lambda's own options
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
    return found or Mapping("", "Creating", function_name, "")


def detach(source_arn: str, function_name: str) -> bool:
    """Ask for the mapping to be deleted, and say whether it is gone."""
    found = find_mapping(source_arn, function_name)
    if found is None:
        return True
    if found.state != "Deleting":
        try:
            clients.lambda_().delete_event_source_mapping(UUID=found.uuid)
        except ClientError as error:
            # Busy while it is being made or changed: the next poll asks again.
            if clients.error_code(error) not in {"ResourceInUseException", "ResourceNotFoundException"}:
                raise
    return False
