"""What a run has taken, read from CloudWatch."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from tasks.aws.session import clients
from tasks.aws.session.clients import CloudWatchClient
from tasks.core.forecast.taken import Asked, Sums, period_seconds


def read_sums(
    client: CloudWatchClient, asked: Sequence[Asked], begun: datetime, ended: datetime, *, now: datetime
) -> Sums:
    """Return the sums of metrics between two moments.

    Args:
        client: of CloudWatch.
        asked: which; 500 at most, as many as one call takes.
        begun: from then on, as exactly as CloudWatch keeps them: to the minute at the best.
        ended: until then.
        now: on which it hangs how exactly that is.
    """
    age = (now - begun).total_seconds()
    period = period_seconds((ended - begun).total_seconds(), age_seconds=age)
    # A value is of a whole period, and stands at its beginning.
    begins = datetime.fromtimestamp(begun.timestamp() // period * period, begun.tzinfo)
    sums: dict[Asked, float | None] = dict.fromkeys(asked)
    for number, value in _values(client, list(_queries(asked, period)), begins, ended + timedelta(minutes=1)):
        sums[asked[number]] = (sums[asked[number]] or 0.0) + value
    return sums


def fixed_shards(stream_arn: str) -> int | None:
    """Return how many shards a stream has, `None` if it is on demand."""
    stream = clients.kinesis().describe_stream_summary(StreamARN=stream_arn)["StreamDescriptionSummary"]
    is_on_demand = stream.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND"
    return None if is_on_demand else stream["OpenShardCount"]


def _queries(asked: Sequence[Asked], period: int) -> Iterator[dict[str, Any]]:
    for number, (namespace, name, dimensions) in enumerate(asked):
        metric = {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
        }
        yield {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}}


def _values(
    client: CloudWatchClient,
    queries: list[dict[str, Any]],
    begins: datetime,
    ends: datetime,
) -> Iterator[tuple[int, float]]:
    pages = client.get_paginator("get_metric_data").paginate(MetricDataQueries=queries, StartTime=begins, EndTime=ends)
    for page in pages:
        for found in page["MetricDataResults"]:
            for value in found["Values"]:
                yield int(found["Id"].removeprefix("m")), float(value)
