"""What can be set on an event source mapping, checked as AWS checks it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from infra.local.emulator.lambdas.lambda_errors import invalid_value

_MIN_RECORD_AGE_SECONDS: Final = 60
# Never left out in silence: a mapping that ignores its filter delivers what nobody asked for.
_NOT_HERE: Final = ("FilterCriteria", "ProvisionedPollerConfig")
_POSITIONS: Final = {"kinesis": ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"), "dynamodb": ("TRIM_HORIZON", "LATEST")}
_S3_ARN: Final = "arn:aws:s3:::"
_ANY: Final = -1


@dataclass(frozen=True)
class MappingTimes:
    """How long the local mappings take for what takes AWS seconds to minutes. All in seconds.

    Attributes:
        change: from Creating, Updating, Enabling, Disabling or Deleting to the state after it.
        first_poll: from Enabled to the first read: on AWS too, a mapping reads some time after it says Enabled.
        poll: between reads of a shard that had nothing: AWS reads a DynamoDB stream four times a second.
        discovery: between looks for new shards; that of a parent's end comes besides.
        first_retry: the wait before a failed batch is tried again; doubled each time.
        longest_retry: the most it is doubled to.
        second: how long a second of MaximumRecordAgeInSeconds or MaximumBatchingWindowInSeconds takes.
    """

    change: float = 0.3
    first_poll: float = 0.2
    poll: float = 0.25
    discovery: float = 2.0
    first_retry: float = 0.1
    longest_retry: float = 2.0
    second: float = 1.0


@dataclass(frozen=True)
class MappingSettings:
    """The settings of a mapping, named as in the API.

    Attributes:
        maximum_retry_attempts: -1 for no limit.
        maximum_record_age_seconds: -1 for no limit.
        on_failure: ARN of the destination for discarded records; None for none.
        reports_item_failures: whether the function's answer is read for `batchItemFailures`.
    """

    batch_size: int = 100
    batching_window_seconds: int = 0
    parallelization_factor: int = 1
    tumbling_window_seconds: int = 0
    maximum_retry_attempts: int = _ANY
    maximum_record_age_seconds: int = _ANY
    bisects: bool = False
    reports_item_failures: bool = False
    on_failure: str | None = None

    def as_api(self) -> dict[str, Any]:
        """Return the settings as members of EventSourceMappingConfiguration."""
        return {
            "BatchSize": self.batch_size,
            "MaximumBatchingWindowInSeconds": self.batching_window_seconds,
            "ParallelizationFactor": self.parallelization_factor,
            "MaximumRetryAttempts": self.maximum_retry_attempts,
            "MaximumRecordAgeInSeconds": self.maximum_record_age_seconds,
            "BisectBatchOnFunctionError": self.bisects,
            "TumblingWindowInSeconds": self.tumbling_window_seconds,
            "FunctionResponseTypes": ["ReportBatchItemFailures"] if self.reports_item_failures else [],
            "DestinationConfig": {"OnFailure": {"Destination": self.on_failure} if self.on_failure else {}},
        }


@dataclass(frozen=True)
class StartingPosition:
    """Where a mapping starts in a stream.

    Attributes:
        timestamp: seconds since the epoch, for AT_TIMESTAMP.
    """

    kind: str
    timestamp: float | None = field(default=None)


def with_changes(settings: MappingSettings, request: Mapping[str, Any]) -> MappingSettings:
    """Return the settings with those that the request names, checked; absent ones stay.

    Raises:
        LambdaApiError: a value is out of its range, or asks for what the local mappings cannot do.
    """
    for name in _NOT_HERE:
        if request.get(name):
            raise invalid_value(f"{name} is not known to the local event source mappings; leave it out here")
    whole = _Whole(request)
    age = whole.between("MaximumRecordAgeInSeconds", _ANY, 604_800, settings.maximum_record_age_seconds)
    if _ANY < age < _MIN_RECORD_AGE_SECONDS:
        raise invalid_value("MaximumRecordAgeInSeconds must be -1 or between 60 and 604800")
    types = request.get("FunctionResponseTypes")
    changed = replace(
        settings,
        batch_size=whole.between("BatchSize", 1, 10_000, settings.batch_size),
        batching_window_seconds=whole.between(
            "MaximumBatchingWindowInSeconds", 0, 300, settings.batching_window_seconds
        ),
        parallelization_factor=whole.between("ParallelizationFactor", 1, 10, settings.parallelization_factor),
        tumbling_window_seconds=whole.between("TumblingWindowInSeconds", 0, 900, settings.tumbling_window_seconds),
        maximum_retry_attempts=whole.between("MaximumRetryAttempts", _ANY, 10_000, settings.maximum_retry_attempts),
        maximum_record_age_seconds=age,
        bisects=bool(request.get("BisectBatchOnFunctionError", settings.bisects)),
        reports_item_failures=settings.reports_item_failures if types is None else "ReportBatchItemFailures" in types,
        on_failure=_destination(request, settings.on_failure),
    )
    if changed.tumbling_window_seconds and changed.parallelization_factor > 1:
        raise invalid_value("TumblingWindowInSeconds cannot be used with a ParallelizationFactor above 1")
    return changed


def read_starting_position(request: Mapping[str, Any], service: str) -> StartingPosition:
    """Return where CreateEventSourceMapping wants to start.

    Raises:
        LambdaApiError: there is none, or this kind of stream does not know it.
    """
    kind = request.get("StartingPosition")
    if kind not in _POSITIONS[service]:
        raise invalid_value(f"StartingPosition '{kind}' must be one of {', '.join(_POSITIONS[service])} for {service}")
    timestamp = request.get("StartingPositionTimestamp")
    if (kind == "AT_TIMESTAMP") != (timestamp is not None):
        raise invalid_value("StartingPositionTimestamp is for StartingPosition AT_TIMESTAMP, and only for that")
    return StartingPosition(str(kind), None if timestamp is None else float(timestamp))


class _Whole:
    def __init__(self, request: Mapping[str, Any]) -> None:
        self._request = request

    def between(self, name: str, low: int, high: int, default: int) -> int:
        value = self._request.get(name)
        if value is None:
            return default
        if not isinstance(value, int) or not low <= value <= high:
            raise invalid_value(f"Value '{value}' at '{name}' failed to satisfy constraint: between {low} and {high}")
        return value


def _destination(request: Mapping[str, Any], default: str | None) -> str | None:
    config = request.get("DestinationConfig")
    if config is None:
        return default
    arn: str | None = (config.get("OnFailure") or {}).get("Destination")
    if arn and not arn.startswith(_S3_ARN):
        raise invalid_value(f"The local event source mappings write failures to S3 only, not to {arn}")
    return arn or None
