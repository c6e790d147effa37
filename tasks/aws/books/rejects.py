"""Items that the target refused, kept in S3 with the reason: counted, shown, and before the cut-over in its way."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.aws.session import clients, deployment
from tasks.core.model.item import Item


@dataclass(frozen=True, slots=True)
class Reject:
    """One item that could not be written."""

    key: Item
    item: Item | None
    """`None` for a delete."""
    reason: str
    """The target's own words: error code and message."""


def put_rejects(name: str, rejects: Sequence[Reject]) -> None:
    """Keep rejects as JSON lines under `rejects/<name>.jsonl`; the same name again replaces them."""
    lines = "".join(
        json.dumps({"reason": reject.reason, "key": reject.key, "item": reject.item}) + "\n" for reject in rejects
    )
    clients.s3().put_object(
        Bucket=deployment.rejects_bucket(),
        Key=f"rejects/{name}.jsonl",
        Body=lines.encode(),
        ContentType="application/x-ndjson",
    )


def iter_names(prefix: str) -> Iterator[str]:
    """Yield the names of all objects of rejects that begin with `prefix`."""
    for name, _ in _iter_objects(f"rejects/{prefix}"):
        yield name


def read_keys(name: str) -> list[Item]:
    """Return the keys of the rejects in one object."""
    return [key for key, _ in read_reasons(name)]


def read_reasons(name: str) -> list[tuple[Item, str]]:
    """Return key and reason of the rejects in one object."""
    body = clients.s3().get_object(Bucket=deployment.rejects_bucket(), Key=name)["Body"]
    return [_without_item(json.loads(line)) for line in body.read().splitlines()]


def _without_item(reject: dict[str, Any]) -> tuple[Item, str]:
    """Return key and reason. One item has up to 400 KB, and an object has those of a whole page or batch."""
    return reject["key"], reject["reason"]


def count_rejects(prefix: str) -> int:
    """Return how many objects of rejects there are whose name begins with `prefix`."""
    return sum(1 for _ in _iter_objects(f"rejects/{prefix}"))


def put_given_up(name: str, record: bytes) -> None:
    """Keep a record that cannot be read where Lambda itself puts batches that it gives up on."""
    clients.s3().put_object(
        Bucket=deployment.rejects_bucket(),
        Key=f"aws/lambda/unreadable/{name}",
        Body=record,
        ContentType="application/octet-stream",
    )


def count_given_up(*, since: float) -> int:
    """Return how many batches of pages were given up: unreadable records, and what Lambda puts there itself.

    Lambda gives up only where somebody has set a limit of the mapping by hand, or a batch grew too old for the stream.

    Args:
        since: epoch seconds. What was given up before is of an earlier execution, and says nothing of this one.
    """
    # S3 keeps whole seconds.
    return sum(1 for _, at in _iter_objects("aws/lambda/") if at >= int(since))


def _iter_objects(prefix: str) -> Iterator[tuple[str, float]]:
    """Yield each object's name and when it was put, epoch seconds."""
    pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=deployment.rejects_bucket(), Prefix=prefix)
    for page in pages:
        for entry in page.get("Contents", []):
            yield entry["Key"], entry["LastModified"].timestamp()
