"""What calls of the other services need: Kinesis, Lambda, Systems Manager, EventBridge, S3 and Step Functions."""

from collections.abc import Callable
from typing import Any, Final

from infra.local.emulator.lambdas.lambda_errors import LambdaApiError
from infra.local.emulator.lambdas.lambda_function import parse_function_name
from infra.local.emulator.permissions.requirements.dynamodb_requirements import (
    dynamodb_requirements,
    streams_requirements,
)
from infra.local.emulator.permissions.requirements.requirement import (
    ANY_RESOURCE,
    Call,
    Requirement,
    UnknownCall,
    World,
    context,
)
from infra.local.emulator.permissions.requirements.table_names import first_member

Requirements = tuple[Requirement, ...]

ON_A_KINESIS_STREAM: Final = frozenset(
    {
        "DescribeStream",
        "DescribeStreamSummary",
        "GetRecords",
        "GetShardIterator",
        "ListShards",
        "PutRecord",
        "PutRecords",
    }
)
ON_A_PARAMETER: Final = frozenset({"DeleteParameter", "GetParameter", "PutParameter"})
STATES_RESOURCE: Final = {
    "DescribeExecution": ("executionArn",),
    "DescribeMapRun": ("mapRunArn",),
    "DescribeStateMachine": ("stateMachineArn",),
    "GetExecutionHistory": ("executionArn",),
    "ListExecutions": ("stateMachineArn", "mapRunArn"),
    "ListMapRuns": ("executionArn",),
    "RedriveExecution": ("executionArn",),
    "StartExecution": ("stateMachineArn",),
    "StopExecution": ("executionArn",),
}
"""The member of the input whose ARN is the resource."""
S3_ACTIONS: Final = {
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
}
_S3_OF_OTHER_ACTIONS: Final = ("x-amz-acl", "x-amz-grant", "x-amz-tagging", "x-amz-copy-source", "x-amz-object-lock")
"""Headers that ask for more than the operation's own action."""


def requirements_of(call: Call, world: World) -> Requirements:
    """Return everything that must be allowed for a call; all of it, not one of it.

    Args:
        call: as it came.
        world: what the call's own words do not say.

    Raises:
        UnknownCall: nobody wrote down what it needs, or the call does not say what it is about.
    """
    if call.service == "dynamodb":
        return dynamodb_requirements(call, world)
    if call.service == "dynamodbstreams":
        return streams_requirements(call)
    if call.service in _SERVICES:
        return _SERVICES[call.service](call, world)
    raise _unknown(call)


def _unknown(call: Call) -> UnknownCall:
    return UnknownCall(
        f"the local AWS does not know what {call.service} {call.operation} needs; "
        "write it down in infra/local/emulator/permissions/requirements/service_requirements.py"
    )


def _kinesis(call: Call, _: World) -> Requirements:
    if call.operation not in ON_A_KINESIS_STREAM:
        raise _unknown(call)
    action = f"kinesis:{call.operation}"
    arn, name = first_member(call.body, "StreamARN"), first_member(call.body, "StreamName")
    if arn is None and name is None:
        body = call.parsed()
        arn, name = body.get("StreamARN"), body.get("StreamName")
    if arn:
        return (Requirement(action, str(arn)),)
    if name:
        return (Requirement(action, call.arn("kinesis", f"stream/{name}")),)
    raise UnknownCall(
        f"kinesis {call.operation} names no stream, and kinesis-local's iterators and tokens do not tell it; "
        "give StreamARN along"
    )


def _lambda(call: Call, world: World) -> Requirements:
    action = f"lambda:{call.operation}"
    match call.operation:
        case "GetAccountSettings" | "ListEventSourceMappings":
            return (Requirement(action, ANY_RESOURCE),)
        case "CreateEventSourceMapping":
            function = _function_arn(call, str(call.parsed().get("FunctionName", "")))
            return (Requirement(action, ANY_RESOURCE, context(lambda_FunctionArn=function)),)
        case "DeleteEventSourceMapping" | "GetEventSourceMapping":
            return (_on_mapping(call, world),)
        case "UpdateEventSourceMapping":
            named = call.parsed().get("FunctionName")
            own = _on_mapping(call, world)
            if not named:
                return (own,)
            other = context(lambda_FunctionArn=_function_arn(call, str(named)))
            return (own,) if other == own.context else (own, Requirement(own.action, own.resource, other))
        case "Invoke":
            return (Requirement("lambda:InvokeFunction", _function_arn(call, call.path.split("/")[3])),)
        case _:
            raise _unknown(call)


def _on_mapping(call: Call, world: World) -> Requirement:
    uuid = call.path.rstrip("/").rpartition("/")[2]
    function = world.function_of_mapping(uuid)
    resource = call.arn("lambda", f"event-source-mapping:{uuid}")
    return Requirement(f"lambda:{call.operation}", resource, context(lambda_FunctionArn=function) if function else ())


def _function_arn(call: Call, text: str) -> str:
    """Return the ARN of a function that is given by any of its names."""
    try:
        region, name = parse_function_name(text, call.region)
    except LambdaApiError as error:
        raise UnknownCall(f"lambda {call.operation}: {error}") from error
    return f"arn:aws:lambda:{region}:{call.account}:function:{name}"


def _cloudwatch(call: Call, _: World) -> Requirements:
    if call.operation != "GetMetricData":
        raise _unknown(call)
    return (Requirement("cloudwatch:GetMetricData", ANY_RESOURCE),)


def _ssm(call: Call, _: World) -> Requirements:
    body = call.parsed()
    if call.operation not in ON_A_PARAMETER or "Tags" in body:
        raise _unknown(call)
    name = str(body.get("Name", ""))
    arn = name if name.startswith("arn:") else call.arn("ssm", f"parameter/{name.removeprefix('/')}")
    return (Requirement(f"ssm:{call.operation}", arn),)


def _events(call: Call, _: World) -> Requirements:
    if call.operation != "PutEvents":
        raise _unknown(call)

    def needs(entry: dict[str, Any]) -> Requirement:
        bus = str(entry.get("EventBusName") or "default")
        arn = bus if bus.startswith("arn:") else call.arn("events", f"event-bus/{bus}")
        given = {f"events:{key}": (str(entry[name]),) for key, name in _EVENT_KEYS if entry.get(name)}
        return Requirement("events:PutEvents", arn, tuple(sorted(given.items())))

    return tuple(dict.fromkeys(needs(entry) for entry in call.parsed().get("Entries", [])))


_EVENT_KEYS: Final = (("source", "Source"), ("detail-type", "DetailType"))


def _s3(call: Call, _: World) -> Requirements:
    bucket, _slash, key = call.path.lstrip("/").partition("/")
    more = [name for name in call.headers if name.startswith(_S3_OF_OTHER_ACTIONS)]
    if more:
        raise UnknownCall(f"s3 {call.operation} has {more[0]}, which asks for more than {call.operation}")
    if call.operation == "ListObjectsV2":
        given = {f"s3:{key}": (call.query[key],) for key in ("prefix", "delimiter") if call.query.get(key)}
        return (Requirement("s3:ListBucket", f"arn:aws:s3:::{bucket}", tuple(sorted(given.items()))),)
    if call.operation in S3_ACTIONS:
        return (Requirement(S3_ACTIONS[call.operation], f"arn:aws:s3:::{bucket}/{key}"),)
    raise _unknown(call)


def _states(call: Call, _: World) -> Requirements:
    if call.operation == "ListStateMachines":
        return (Requirement("states:ListStateMachines", ANY_RESOURCE),)
    body = call.parsed()
    for member in STATES_RESOURCE.get(call.operation, ()):
        if member in body:
            return (Requirement(f"states:{call.operation}", str(body[member])),)
    raise _unknown(call)


_SERVICES: Final[dict[str, Callable[[Call, World], Requirements]]] = {
    "cloudwatch": _cloudwatch,
    "events": _events,
    "kinesis": _kinesis,
    "lambda": _lambda,
    "s3": _s3,
    "ssm": _ssm,
    "states": _states,
}


# What Lambda wants of a function's role before it maps a stream to it: the guide's "Process Amazon Kinesis Data Streams
# records with Lambda" and "Process DynamoDB records with Lambda", and for the destination "Retain discarded records".
_POLLER_OF_KINESIS: Final = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
    "kinesis:SubscribeToShard",
)
_POLLER_OF_DYNAMODB: Final = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")


def poller_requirements(stream_arn: str) -> Requirements:
    """Return what a function's role must allow so that Lambda can read a stream for it."""
    if ":kinesis:" in stream_arn:
        return tuple(Requirement(action, stream_arn) for action in _POLLER_OF_KINESIS)
    return (
        *(Requirement(action, stream_arn) for action in _POLLER_OF_DYNAMODB),
        Requirement("dynamodb:ListStreams", ANY_RESOURCE),
    )


def destination_requirements(bucket_arn: str, mapping: str) -> Requirements:
    """Return what a function's role must allow so that Lambda can keep in a bucket what it gives up.

    Args:
        bucket_arn: the OnFailure destination.
        mapping: the mapping's UUID, which all its objects have in their keys.
    """
    return (
        Requirement("s3:PutObject", f"{bucket_arn}/aws/lambda/{mapping}/"),
        Requirement("s3:ListBucket", bucket_arn),
    )
