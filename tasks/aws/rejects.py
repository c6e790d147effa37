"""Items that the target refused, kept in S3 with the reason: counted, shown, and before the cut-over in its way."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.aws import clients, deployment
from tasks.core.errors import DriftFound
from tasks.core.item import Item


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


def check_no_change_rejected(run: str) -> None:
    """Make sure that no change is missing at the target, before traffic moves.

    Raises:
        DriftFound: some were refused by the target or overruled, and are kept.
    """
    refused, overruled = count_rejects(f"{run}/changes/"), count_rejects(f"{run}/late/")
    if refused or overruled:
        raise DriftFound(
            f"changes of {refused} batches were refused by the target, and {overruled} found another item there though "
            f"the application does not write to it yet; they are kept with the reason under "
            f"s3://{deployment.rejects_bucket()}/rejects/{run}/. Write them into the target or mend it, "
            "remove those objects, then redrive"
        )


def count_rejects(prefix: str) -> int:
    """Return how many objects of rejects there are whose name begins with `prefix`."""
    return _count_objects(f"rejects/{prefix}")


def count_given_up() -> int:
    """Return how many batches Lambda gave up on; it puts them there itself, with their records."""
    return _count_objects("aws/lambda/")


def _count_objects(prefix: str) -> int:
    pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=deployment.rejects_bucket(), Prefix=prefix)
    return sum(len(page.get("Contents", [])) for page in pages)
