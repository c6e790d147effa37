"""The pointer: the SSM parameter that tells the application which table is the active one."""

import json
from collections.abc import Mapping

from botocore.exceptions import ClientError

from tasks.aws.session import clients
from tasks.core.errors import AwsUnavailable

EVENT_SOURCE = "tableferry"


def pointer_name(migration: str) -> str:
    """Return the parameter's name."""
    return f"/tableferry/{migration}/active-table"


def read_pointer(migration: str) -> str | None:
    """Return the active table's name; `None` before the first cut-over."""
    try:
        return clients.ssm().get_parameter(Name=pointer_name(migration))["Parameter"]["Value"]
    except ClientError as error:
        if clients.error_code(error) == "ParameterNotFound":
            return None
        raise


def flip_pointer(migration: str, table: str) -> None:
    """Point to a table."""
    clients.ssm().put_parameter(
        Name=pointer_name(migration),
        Value=table,
        Type="String",
        Overwrite=True,
        Description="The table that the application uses; written by tableferry's CutOver.",
    )


def put_event(detail_type: str, detail: Mapping[str, object]) -> None:
    """Tell EventBridge's default bus.

    Raises:
        AwsUnavailable: the bus did not take the event.
    """
    answer = clients.events().put_events(
        Entries=[{"Source": EVENT_SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail)}]
    )
    if answer["FailedEntryCount"]:
        entry = answer["Entries"][0]
        raise AwsUnavailable(f"EventBridge did not take the event {detail_type!r}: {entry.get('ErrorCode')}")
