"""The pointer: the SSM parameter that names the table which the application writes to."""

import threading
import time
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

MAX_AGE_SECONDS = 1.0


class Pointer:
    """Reads the pointer at most once a second, for all writers together.

    A failed read raises botocore's error: an owner who does not know where to write does not write. While the parameter
    has never existed, no migration has got that far and the source is the table.
    """

    def __init__(self, client: "SSMClient", parameter: str, source: str) -> None:
        self._client = client
        self._parameter = parameter
        self._table = source
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def table(self) -> str:
        """Return the table to write to, as it was named no longer than a second ago."""
        with self._lock:
            asked_at = time.monotonic()
            if asked_at - self._read_at >= MAX_AGE_SECONDS:
                self._table = self._read()
                self._read_at = asked_at
            return self._table

    def _read(self) -> str:
        try:
            return self._client.get_parameter(Name=self._parameter)["Parameter"]["Value"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return self._table
            raise
