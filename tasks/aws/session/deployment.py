"""The names that the deployment gives each function through its environment.

A function gets only the names it uses; asking for another one is a defect of `infra/aws/functions`, and says so.
"""

import json
import os
from typing import Any


def settings() -> dict[str, Any]:
    """Return the deployed settings of the migration (Preflight only)."""
    loaded: dict[str, Any] = json.loads(_named("MIGRATION_SETTINGS"))
    return loaded


def control_table() -> str:
    """Return the control table's name."""
    return _named("CONTROL_TABLE")


def pages_stream_arn() -> str:
    """Return the ARN of the Kinesis stream that carries pages."""
    return _named("PAGES_STREAM_ARN")


def rejects_bucket() -> str:
    """Return the bucket that keeps rejected items, and records that a mapping gave up on."""
    return _named("REJECTS_BUCKET")


def writer_function() -> str:
    """Return the name of the WritePages function."""
    return _named("WRITE_PAGES_FUNCTION")


def writer_timeout_seconds() -> int:
    """Return the timeout of the WritePages function."""
    return int(_named("WRITE_PAGES_TIMEOUT_SECONDS"))


def replicator_function() -> str:
    """Return the name of the ReplicateChanges function."""
    return _named("REPLICATE_CHANGES_FUNCTION")


def replicator_timeout_seconds() -> int:
    """Return the timeout of the ReplicateChanges function."""
    return int(_named("REPLICATE_CHANGES_TIMEOUT_SECONDS"))


def stream_reads_per_second() -> float:
    """Return how often a look at the source's stream reads one shard in a second."""
    return float(_named("STREAM_READS_PER_SECOND"))


def replicator_window_seconds() -> int:
    """Return for how long changes are gathered before ReplicateChanges is called."""
    return int(_named("REPLICATE_CHANGES_WINDOW_SECONDS"))


def is_traced() -> bool:
    """Return whether Lambda says where traces are taken, and nobody switched them off for Powertools."""
    off = os.environ.get("POWERTOOLS_TRACE_DISABLED", "").lower() in {"1", "true", "yes", "on"}
    return "AWS_XRAY_DAEMON_ADDRESS" in os.environ and not off


def _named(variable: str) -> str:
    try:
        return os.environ[variable]
    except KeyError:
        raise KeyError(
            f"the environment has no {variable}: infra/aws/functions does not give it to this function; deploy again"
        ) from None
