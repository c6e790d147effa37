"""What each role allows: the calls that a function or the state machine makes, on the resources that it makes them on.

A test holds this against the calls that the functions really make on the local AWS, which checks every one of them
against these roles: a role that lacks one fails a migration there, and one that nothing uses fails the test.
"""

from collections.abc import Iterator
from dataclasses import replace

from infra.aws.functions.function import Function
from infra.aws.functions.grants import (
    EXECUTION,
    EXECUTIONS,
    FUNCTION,
    LOGS,
    MACHINE,
    REPLICAS,
    SOURCE,
    SOURCE_STREAM,
    TARGET,
    Grant,
)
from workflow.settings import Settings

_OF_ITEMS = frozenset(
    f"dynamodb:{call}"
    for call in (
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "GetRecords",
        "PartiQLDelete",
        "PartiQLInsert",
        "PutItem",
        "Scan",
    )
)

_READS = frozenset({"dynamodb:BatchGetItem", "dynamodb:Scan"})


def grants_of(function: Function, settings: Settings) -> Iterator[Grant]:
    """Yield the statements of a function's role.

    Args:
        function: whose role it is.
        settings: of the deployment; some statements are needed only where it has replicas or keys of its own.
    """
    regions = settings.migration.replica_regions
    for grant in function.grants:
        if not grant.for_replicas:
            yield grant
        elif regions:
            yield _in_regions(grant, regions)
    keys = settings.deployment.kms_key_arns
    if keys:
        for region in _regions_of_items(function, settings.deployment.region, regions):
            yield Grant(
                ("kms:Decrypt",),
                keys,
                conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}},
            )
    yield Grant(("logs:CreateLogStream", "logs:PutLogEvents"), (LOGS,), "the function's own log group's streams")
    yield Grant(
        ("xray:PutTelemetryRecords", "xray:PutTraceSegments"), ("*",), "X-Ray knows no resource for these calls"
    )


def _in_regions(grant: Grant, regions: tuple[str, ...]) -> Grant:
    """Return a statement on replicas with each of them named; what no Region is part of stands there once."""
    named = (resource.replace("{replica_region}", region) for resource in grant.resources for region in regions)
    return replace(grant, resources=tuple(dict.fromkeys(named)))


def _regions_of_items(function: Function, home: str, replica_regions: tuple[str, ...]) -> tuple[str, ...]:
    """Return in which Regions a function reads or writes items of source or target, or records of the stream."""
    of_items = [grant for grant in function.grants if not _OF_ITEMS.isdisjoint(grant.actions)]
    at_home = any(not {SOURCE, SOURCE_STREAM, TARGET}.isdisjoint(grant.resources) for grant in of_items)
    # DynamoDB asks for actions on items of whoever adds a replica, and does the reading itself.
    elsewhere = any(REPLICAS in grant.resources and _READS.issuperset(grant.actions) for grant in of_items)
    return (*((home,) if at_home else ()), *(replica_regions if elsewhere else ()))


def machine_grants(functions: tuple[str, ...], maps: tuple[str, ...]) -> Iterator[Grant]:
    """Yield the statements of the state machine's role.

    Args:
        functions: names of the functions that it calls.
        maps: labels of its distributed Maps, whose children are executions of the machine itself.
    """
    children = tuple(f"{EXECUTION}/{label}:*" for label in maps)
    yield Grant(
        ("lambda:InvokeFunction",),
        tuple(FUNCTION + name for name in functions),
    )
    yield Grant(("states:StartExecution",), (MACHINE,))
    yield Grant(
        ("states:DescribeExecution", "states:StopExecution"),
        (EXECUTIONS, *children),
        "children are named when they start",
    )
    yield Grant(("states:RedriveExecution",), children, "children are named when they start")
    yield Grant(
        (
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        ),
        ("*",),
        "log deliveries know no resource",
    )
    yield Grant(
        (
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        ),
        ("*",),
        "X-Ray knows no resource for these calls",
    )
