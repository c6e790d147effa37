"""Lists in the bucket: the hashes and keys that a verification has read, and the keys that differed at a look.

A rule of the bucket removes them after two weeks.
"""

import json
import uuid
from collections.abc import Mapping, Sequence

from botocore.exceptions import ClientError

from tasks.aws.session import clients, deployment
from tasks.core.errors import PreconditionFailed
from tasks.core.model.item import Item, json_text
from tasks.core.prove.hash_list import Index
from tasks.core.prove.verification import Kept, kept_of, pairs_of

PREFIX = "proof/"
WHOLE_BYTES_MOST = 64 * 1024 * 1024
"""Lists that have no more in all are read whole, once each: small tables have many lists of a few hundred rows."""


def put(name: str, body: bytes) -> Kept:
    """Keep a list under a name that no other call gives: a call that was given up may still be at work."""
    name = f"{name.replace('#', '/')}-{uuid.uuid4().hex}"
    clients.s3().put_object(
        Bucket=deployment.rejects_bucket(),
        Key=f"{PREFIX}{name}",
        Body=body,
        ContentType="application/octet-stream",
    )
    return Kept(name=name, bytes=len(body))


def put_choice(name: str, chosen: Mapping[str, Sequence[Kept]]) -> Kept:
    """Keep which lists a verification compares, by table: whatever is kept later, all stretches see the same."""
    lists = {table: pairs_of(lists) for table, lists in chosen.items()}
    return put(name, json.dumps(lists).encode())


def read_choice(one: Kept, table: str) -> list[Kept]:
    """Return the lists of one table."""
    return kept_of(json.loads(_get(one, 0, one.bytes))[table])


def put_keys(name: str, keys: Sequence[Item]) -> Kept:
    """Keep keys as JSON lines."""
    return put(name, "".join(f"{json_text(key)}\n" for key in keys).encode())


def read_keys(one: Kept) -> list[Item]:
    """Return keys that were kept so."""
    return [json.loads(line) for line in _get(one, 0, one.bytes).splitlines()]


class Reading:
    """Reads of many lists in one stretch of buckets. May be used side by side.

    Args:
        lists: that will be read.
        first: the stretch's first bucket.
        end: the first bucket behind it.
    """

    def __init__(self, lists: Sequence[Kept], first: int, end: int) -> None:
        self._first, self._end = first, end
        self._are_small = sum(one.bytes for one in lists) <= WHOLE_BYTES_MOST
        self._whole: dict[str, bytes] = {}
        self._indexes: dict[str, Index] = {}

    def hashes(self, one: Kept, first: int, end: int) -> bytes:
        """Return a list's rows in these buckets."""
        return self._read(one, *self._index(one).hashes(first, end))

    def keys(self, one: Kept, first: int, end: int) -> bytes:
        """Return the packed keys of those rows."""
        return self._read(one, *self._index(one).keys(first, end))

    def _index(self, one: Kept) -> Index:
        if one.name not in self._indexes:
            entries = self._read(one, *Index.place(self._first, self._end))
            self._indexes[one.name] = Index(self._first, entries)
        return self._indexes[one.name]

    def _read(self, one: Kept, begin: int, end: int) -> bytes:
        if begin == end:
            return b""
        if not self._are_small:
            return _get(one, begin, end)
        if one.name not in self._whole:
            self._whole[one.name] = _get(one, 0, one.bytes)
        return self._whole[one.name][begin:end]


def _get(one: Kept, begin: int, end: int) -> bytes:
    bucket = deployment.rejects_bucket()
    try:
        answer = clients.s3().get_object(Bucket=bucket, Key=f"{PREFIX}{one.name}", Range=f"bytes={begin}-{end - 1}")
    except ClientError as error:
        # To whom may not list a bucket, S3 says of what is not there that it is denied.
        if clients.error_code(error) not in {"NoSuchKey", "AccessDenied"}:
            raise
        raise PreconditionFailed(
            f"the list s3://{bucket}/{PREFIX}{one.name}, which the proof has read the tables into, is gone or may not "
            "be read; lists are kept for two weeks. Resume, which reads the tables anew"
        ) from error
    return answer["Body"].read()
