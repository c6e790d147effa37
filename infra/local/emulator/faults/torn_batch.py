"""Batches of which the service takes only a part.

The refused members never reach the engine: whoever drops what an answer calls unprocessed has lost it for real.
"""

import json
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

Call = dict[str, Any]

_BATCHES = frozenset({"BatchExecuteStatement", "BatchGetItem", "BatchWriteItem", "kinesis.PutRecords"})
_REFUSED = "ProvisionedThroughputExceeded"


@dataclass(frozen=True)
class TornBatch:
    """A call of which some members are left out.

    Attributes:
        body: what goes to the engine; `None` if nothing is left.
        merge: makes the caller's answer out of the engine's (`{}` if it was not asked).
        is_whole: nothing is left, and the service answers that with an error for the whole call.
    """

    body: bytes | None
    merge: Callable[[Call], Call]
    is_whole: bool = False


def tear(operation: str, body: bytes, members: int, rng: random.Random, error: str = "") -> TornBatch | None:
    """Leave some members out of a batch.

    Args:
        operation: as the gateway names it.
        body: the call's.
        members: how many; of a smaller batch all.
        rng: chooses them.
        error: the name of a statement's or record's error.

    Returns:
        `None` for an operation that has no partial success.
    """
    call: Call = json.loads(body)
    if operation not in _BATCHES:
        return None
    count = _count_members(operation, call)
    out = set(rng.sample(range(count), min(members, count)))
    name = error or (f"{_REFUSED}Exception" if operation == "kinesis.PutRecords" else _REFUSED)
    return leave_out(operation, call, out, name, "a fault injected into one member")


def leave_out(operation: str, call: Call, out: Collection[int], error: str, message: str) -> TornBatch:
    """Leave chosen members out of a batch.

    Args:
        operation: one of those that have partial success.
        call: as it came.
        out: places of the members to be left out, in their order over all tables.
        error: the name of a statement's or record's error.
        message: what it says.
    """
    match operation:
        case "BatchWriteItem":
            return _tear_by_table(call, "UnprocessedItems", out)
        case "BatchGetItem":
            return _tear_by_table(call, "UnprocessedKeys", out)
        case "BatchExecuteStatement":
            return _tear_list(call, "Statements", "Responses", {"Error": {"Code": error, "Message": message}}, out)
    return _tear_list(call, "Records", "Records", {"ErrorCode": error, "ErrorMessage": message}, out)


def _count_members(operation: str, call: Call) -> int:
    if operation in {"BatchWriteItem", "BatchGetItem"}:
        parts = call["RequestItems"].values()
        return sum(len(part["Keys"] if operation == "BatchGetItem" else part) for part in parts)
    return len(call["Statements" if operation == "BatchExecuteStatement" else "Records"])


def _tear_by_table(call: Call, unprocessed: str, out: Collection[int]) -> TornBatch:
    """BatchWriteItem has lists by table, BatchGetItem has lists of `Keys` with settings beside them."""
    parts: Call = call["RequestItems"]
    is_read = unprocessed == "UnprocessedKeys"
    named = [(table, member) for table, part in parts.items() for member in (part["Keys"] if is_read else part)]

    def only(chosen: list[tuple[str, Any]]) -> Call:
        lists: dict[str, list[Any]] = {}
        for table, member in chosen:
            lists.setdefault(table, []).append(member)
        return {table: {**parts[table], "Keys": keys} if is_read else keys for table, keys in lists.items()}

    refused = [named[index] for index in sorted(out)]
    left = [member for index, member in enumerate(named) if index not in out]

    def merge(answer: Call) -> Call:
        back = dict(answer.get(unprocessed) or {})
        for table, part in only(refused).items():
            if is_read:
                back[table] = {**part, "Keys": back.get(table, {"Keys": []})["Keys"] + part["Keys"]}
            else:
                back[table] = back.get(table, []) + part
        return {**answer, unprocessed: back}

    rest = json.dumps({**call, "RequestItems": only(left)}).encode() if left else None
    return TornBatch(rest, merge, is_whole=not left)


def _tear_list(call: Call, asked: str, answered: str, refused: Call, out: Collection[int]) -> TornBatch:
    """Answers stand in the order of what was asked: the refusals go in between."""
    all_members = call[asked]
    left = [member for index, member in enumerate(all_members) if index not in out]

    def merge(answer: Call) -> Call:
        answers = iter(answer.get(answered, []))
        merged = {**answer, answered: [refused if index in out else next(answers) for index in range(len(all_members))]}
        if asked == "Records":
            merged["FailedRecordCount"] = answer.get("FailedRecordCount", 0) + len(out)
        return merged

    return TornBatch(json.dumps({**call, asked: left}).encode() if left else None, merge)
