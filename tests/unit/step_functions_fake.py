"""A Step Functions that works as far as histories are read: executions, their Map Runs, and what was asked of them."""

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

Event = dict[str, Any]


class ExecutionDoesNotExist(ClientError):  # noqa: N818 — boto3's name
    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "ExecutionDoesNotExist", "Message": ""}}, "DescribeExecution")


class FakeStepFunctions:
    """Executions by ARN, with what boto3's client answers about them.

    Attributes:
        histories: The events of each execution, of a child too.
        statuses: The status of each.
        children: By Map Run's ARN, the ARNs of its children.
        read: The executions whose history was read, in order.
    """

    def __init__(self) -> None:
        self.histories: dict[str, Sequence[Event]] = {}
        self.statuses: dict[str, str] = {}
        self.children: dict[str, list[str]] = {}
        self.read: list[str] = []
        self.exceptions = type("Exceptions", (), {"ExecutionDoesNotExist": ExecutionDoesNotExist})

    def add(self, arn: str, status: str, events: Sequence[Event], map_run: str | None = None) -> None:
        """Add an execution, or a Map Run's child."""
        self.histories[arn], self.statuses[arn] = events, status
        if map_run is not None:
            self.children.setdefault(map_run, []).append(arn)

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803 — boto3's name
        if executionArn not in self.statuses:
            raise ExecutionDoesNotExist
        return {"status": self.statuses[executionArn]}

    def describe_map_run(self, *, mapRunArn: str) -> dict[str, Any]:  # noqa: N803 — boto3's name
        statuses = [self.statuses[child] for child in self.children.get(mapRunArn, [])]
        return {"itemCounts": {"total": len(statuses), "succeeded": statuses.count("SUCCEEDED")}}

    def get_paginator(self, operation: str) -> "FakePaginator":
        return FakePaginator(self, operation)


class FakePaginator:
    """Pages of two entries each, so that every reader has to ask for more than one."""

    def __init__(self, fake: FakeStepFunctions, operation: str) -> None:
        self._fake = fake
        self._operation = operation

    def paginate(
        self,
        *,
        executionArn: str = "",  # noqa: N803 — boto3's names
        mapRunArn: str = "",  # noqa: N803
        statusFilter: str = "",  # noqa: N803
        **_: object,
    ) -> Iterator[dict[str, Any]]:
        fake = self._fake
        if self._operation == "get_execution_history":
            if executionArn not in fake.histories:
                raise ExecutionDoesNotExist
            fake.read.append(executionArn)
            entries: list[Any] = list(fake.histories[executionArn])
            key = "events"
        else:
            assert self._operation == "list_executions"
            found = [arn for arn in fake.children.get(mapRunArn, []) if fake.statuses[arn] == statusFilter]
            entries, key = [{"executionArn": arn} for arn in found], "executions"
        for start in range(0, max(1, len(entries)), 2):
            yield {key: entries[start : start + 2]}
