"""Tables that a careless copier damages, each under live writes through the real state machine and the real tasks.

What arrived is judged by `owner.Owner`, which uses none of the code that moves or compares items.
"""

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import pytest

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.judge.comparer import same
from infra.local.rehearsal.owner.wire import Refused
from tests.faults.hostile_items import (
    HASH_NAME,
    LARGEST_BYTES,
    LEVELS,
    LONGEST_KEYS,
    LOOK_ALIKES,
    NUMBERS,
    RANGE_NAME,
    Item,
    contents,
    keys,
    large_contents,
    nested,
    noise,
)
from tests.faults.owner import Key, Owner
from tests.statements import insert_of
from tests.workflow.running import Ended, Running, side_by_side

pytestmark = pytest.mark.engines

AT_ONCE = 3
"""Migrations side by side."""
PAUSE_SECONDS = 0.6
"""To know how far it is costs a whole history each time, and the engines more than all these writes do."""


@dataclass(frozen=True)
class Migrated:
    """How a migration ended, and who knows what has to be where."""

    ended: Ended
    owner: Owner
    target: Mapping[Key, Item]
    """What the target holds in the end."""
    differences: Sequence[str]
    """Of both tables from what was written."""
    notes: Mapping[str, Any]
    """What its scenario saw on the way."""

    def backfill(self) -> dict[str, int]:
        """Return what DrainBackfill counted."""
        exits = [event.get("stateExitedEventDetails", {}) for event in self.ended.events]
        output = next(left["output"] for left in exits if left.get("name") == "DrainBackfill")
        counted: dict[str, int] = json.loads(output)["backfill"]
        return counted


Ran = Mapping[str, Future[tuple[Running, Migrated]]]


def table_of(**key: str) -> dict[str, Any]:
    """Return CreateTable's parameters for a key of these names and types, partition key first."""
    return {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in key.items()],
        "KeySchema": [
            {"AttributeName": name, "KeyType": kind} for name, kind in zip(key, ("HASH", "RANGE"), strict=False)
        ],
    }


def migrate(running: Running, owner: Owner, during: Callable[[str], object], **notes: object) -> Migrated:
    def write(arn: str) -> None:
        during(arn)
        time.sleep(PAUSE_SECONDS)

    ended = running.run(during=write)
    if ended.status != "SUCCEEDED":
        running.detach()
    return Migrated(ended, owner, owner.read(running.migration.target_table), owner.differences(), notes)


# ---------------------------------------------------------------- scenarios


def names_and_values(running: Running) -> Migrated:
    running.deploy()
    running.create_source(**table_of(**{HASH_NAME: "S", RANGE_NAME: "B"}))
    owner = Owner(running, (HASH_NAME, RANGE_NAME))
    # Each content comes once by a page alone; the look-alike keys get them by changes, one after another.
    still = [
        {HASH_NAME: {"S": f"key {number}"}, RANGE_NAME: {"B": "AA=="}, **content}
        for number, content in enumerate(contents())
    ]
    owner.put_all(still, live=False)
    owner.put_all({**key, "in": {"S": str(number)}} for number, key in enumerate(keys()))
    return migrate(running, owner, lambda arn: owner.write_during(arn, through_the_proof=True), still=still)


HOT_ITEMS = 60
BURST_ITEMS = 15


def large_items(running: Running) -> Migrated:
    running.deploy()
    running.create_source(**table_of(pk="S", sk="N"))
    chosen = random.Random(3)
    owner = Owner(running, ("pk", "sk"), lambda _: chosen.choice([{"n": {"N": "2"}}] * 9 + live_contents))
    # Half of all items, and most of the bytes, are under one partition key, and so in one segment.
    hot = [{"pk": {"S": "hot"}, "sk": {"N": str(101 + number)}} for number in range(HOT_ITEMS)]
    other = [{"pk": {"S": f"k{number:02}"}, "sk": {"N": "100"}} for number in range(HOT_ITEMS)]
    room = LARGEST_BYTES - len("pk" + "hot" + "sk") - 3  # `101` has three bytes
    large = [{**key, **content} for key, content in zip(hot, large_contents(room), strict=False)]
    live_contents: list[Item] = [{"b": {"B": noise(room - 1, 10)}}, {"s": {"S": "\u0436" * (room // 2 - 1)}}]
    owner.put_all(large, live=False)
    with pytest.raises(Refused, match="Item size has exceeded"):
        owner.put_all([{**hot[0], "b": {"B": noise(room, 0)}}])  # one byte more than the largest of them
    owner.put_all({**key, "n": {"N": "1"}} for key in [*hot[len(large) :], *other])
    texts = [
        {"pk": {"S": "txt"}, "sk": {"N": str(100 + number)}, "s": {"S": "\u0436" * 204_700}}
        for number in range(BURST_ITEMS)
    ]
    waiting = list(texts)

    def write(arn: str) -> None:
        owner.write_during(arn)
        if waiting and running.is_past(arn, "DrainBackfill"):
            # As much as the event of one batch may hold; in two calls, because here they are escaped.
            owner.put_all(waiting[:8], live=False)
            owner.put_all(waiting[8:], live=False)
            waiting.clear()

    return migrate(running, owner, write, large=large, texts=texts)


VERSION = 'it\'s the "version"'
VERSIONS = (
    "-9.9999999999999999999999999999999999999E+125",
    "-12345678901234567890123456789012345679",
    "-12345678901234567890123456789012345678",
    "-1",
    "-1E-130",
    "-0",
    "1E-130",
    "9",
    "10",
    "12345678901234567890123456789012345678",
    "12345678901234567890123456789012345679",
    "9.99E+125",
)
"""In their order, which is not that of their text."""
NO_VERSIONS: tuple[Item, ...] = (
    {},
    {VERSION: {"S": "9"}},
    {VERSION: {"NULL": True}},
    {VERSION: {"NS": ["9", "10"]}},
    {VERSION: {"L": [{"N": "11"}]}},
    {VERSION: {"B": "OQ=="}},
)


def versions(running: Running) -> Migrated:
    running.deploy()
    running.create_source(**table_of(n="N"))
    chosen, reached = random.Random(11), dict[str, int]()

    def next_content(key: Item) -> Item:
        # Versions only grow, whatever comes in between, and also where an item is deleted and made again.
        name = key["n"]["N"]
        reached[name] = reached.get(name, chosen.randrange(-1, 4)) + 1
        version: Item = {VERSION: {"N": VERSIONS[min(reached[name], len(VERSIONS) - 1)]}}
        return {"write": {"N": str(reached[name])}, **chosen.choice([version, version, chosen.choice(NO_VERSIONS)])}

    owner = Owner(running, ("n",), next_content)
    still: list[Item] = [*({VERSION: {"N": version}} for version in VERSIONS), *NO_VERSIONS]
    owner.put_all(({"n": {"N": f"-{number}.5"}, **content} for number, content in enumerate(still)), live=False)
    # As a key `-0` is `0`. DynamoDB Local knows it as such, too.
    live = [number for number in NUMBERS if number not in {"-0", "-0.0e5"}]
    owner.put_all(
        {"n": {"N": number}, **next_content({"n": {"N": number}})} for number in [*live, *map(str, range(2, 30))]
    )
    return migrate(running, owner, owner.write_during)


DUE = 'it\'s "due"'
EXPIRING_ITEMS, LASTING_ITEMS, MORE_SEGMENTS = 12, 6, 20


def expiring(running: Running) -> Migrated:
    running.deploy()
    running.create_source(**table_of(pk="S"))
    owner = Owner(running, ("pk",))
    source = running.migration.source_table
    running.dynamodb.update_time_to_live(
        TableName=source, TimeToLiveSpecification={"Enabled": True, "AttributeName": DUE}
    )
    soon = int(time.time()) + 5
    never: list[Item] = [
        {DUE: {"N": str(soon + 86_400)}},
        {DUE: {"S": str(soon)}},
        {DUE: {"L": [{"N": str(soon)}]}},
        {},
    ]
    owner.put_all({"pk": {"S": f"stays-{number}"}, **never[number % len(never)]} for number in range(LASTING_ITEMS))
    doomed = [{"pk": {"S": f"goes-{number}"}, DUE: {"N": str(soon + number)}} for number in range(EXPIRING_ITEMS)]
    running.dynamodb.batch_write_item(RequestItems={source: [{"PutRequest": {"Item": item}} for item in doomed]})

    def doomed_ones() -> int:
        return sum(item["pk"]["S"].startswith("goes") for item in owner.read(source).values())

    at_start = doomed_ones()
    # DynamoDB Local looks for what is due every twenty seconds or so: within the run, which takes more than thirty.
    migrated = migrate(running, owner, owner.write_during, at_start=at_start)
    return replace(migrated, notes={**migrated.notes, "in_the_end": doomed_ones()})


REFUSED_ITEMS = 8


def wrong(number: int) -> Item:
    """Return an attribute that the source takes, and that an index of strings cannot have as its key."""
    return {"n": [{"N": str(number)}, {"S": ""}, {"S": "\u0436" * 1025}, {"NULL": True}][number % 4]}


def refused_by_the_target(running: Running) -> Migrated:
    running.deploy()
    running.create_source()
    running.create_table(
        running.migration.target_table,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-n",
                "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    good: list[Item] = [
        {},
        {"n": {"S": "a"}},
        {"in": {"M": {"n": {"N": "1"}}}},
        {"N": {"N": "1"}},
        {"n": {"S": "\x00"}},
    ]
    owner = Owner(running, ("pk",))
    owner.put_all({"pk": {"S": f"good-{number}"}, **good[number % len(good)]} for number in range(1, 60))
    held: Item = {"pk": {"S": "good-0"}, "n": {"S": "the target takes this"}}
    owner.put_all([held], live=False)
    refused = Owner(running, ("pk",))
    refused.put_all({"pk": {"S": f"bad-{number}"}, **wrong(number)} for number in range(REFUSED_ITEMS))
    late: list[Item] = [{"pk": {"S": "late"}, **wrong(0)}, {**held, **wrong(1)}]
    waiting = list(late)

    def write(arn: str) -> None:
        if not running.is_past(arn, "DrainBackfill"):
            owner.write()
        elif waiting:
            # No page brings these: they are refused as changes, and one follows an image that the target holds.
            refused.put_all(waiting)
            waiting.clear()

    return migrate(running, owner, write, late=late)


SETTINGS: dict[str, dict[str, Any]] = {
    # Legal names of tables, which a statement has to quote.
    "names_and_values": {"source_table": "SELECT.from-Source_1", "target_table": "INSERT.into-Target_1"},
    "versions": {"version_attribute": VERSION},
    "refused_by_the_target": {"max_rejects": REFUSED_ITEMS},
    "expiring": {"total_segments": MORE_SEGMENTS, "max_concurrency": 6},
}


@pytest.fixture(scope="module")
def ran(local_aws: LocalAwsProcess) -> Iterator[Ran]:
    scenarios = (large_items, names_and_values, expiring, refused_by_the_target, versions)
    with side_by_side(local_aws, scenarios, SETTINGS, at_once=AT_ONCE) as futures:
        yield futures


def arrived_whole(ran: Ran, scenario: str) -> tuple[Running, Migrated]:
    """Wait for a migration that has to succeed with not one item lost, damaged, revived or set aside."""
    running, migrated = ran[scenario].result()
    assert (migrated.ended.status, migrated.ended.message) == ("SUCCEEDED", "")
    assert migrated.owner.wrote_late, "no write came under the late rule"
    assert migrated.differences == []
    assert running.rejects() == {}
    assert running.pointer() == running.migration.target_table
    return running, migrated


# ---------------------------------------------------------------- what must not happen


def test_the_hostile_items_have_all_ten_types_on_every_level_that_dynamodb_allows() -> None:
    value, levels = nested(), 0
    while value:
        levels += 1
        inner = list(value.get("L") or value["M"].values())
        types = {kind for beside in inner for kind in beside}
        value = inner[-1] if "L" in inner[-1] or "M" in inner[-1] else {}
        assert types == {"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", *({"L", "M"} if value else ())}
    assert levels == LEVELS


def test_no_hostile_name_or_value_is_damaged_and_no_type_at_any_depth(ran: Ran) -> None:
    _, migrated = arrived_whole(ran, "names_and_values")
    still = migrated.notes["still"]
    assert [item for item in still if not same(migrated.target.get(migrated.owner.name(item)), item)] == []
    assert migrated.backfill()["inserted"] >= len(still) == len(contents())


def test_no_key_takes_the_place_of_another_that_only_looks_like_it(ran: Ran) -> None:
    _, migrated = arrived_whole(ran, "names_and_values")
    texts = [key[HASH_NAME]["S"] for key in migrated.owner.live.values()]
    assert set(texts) == {*LOOK_ALIKES, *LONGEST_KEYS}
    assert len(texts) > len(set(texts)), "some differ in the range key alone"


def test_an_item_whose_names_leave_a_statement_no_room_is_not_lost(ran: Ran) -> None:
    running, migrated = arrived_whole(ran, "names_and_values")
    table = running.migration.target_table
    without = [item for item in migrated.notes["still"] if insert_of(table, item) is None]
    assert len(without) >= 3
    assert all(same(migrated.target.get(migrated.owner.name(item)), item) for item in without)


def test_the_largest_items_lose_nothing_where_their_page_is_split(ran: Ran) -> None:
    running, migrated = arrived_whole(ran, "large_items")
    assert running.deployment is not None
    pages = running.dynamodb.get_paginator("scan").paginate(TableName=running.deployment.control_table)
    sent = [json.loads(item["document"]["S"]) for page in pages for item in page["Items"] if "sent#" in item["sk"]["S"]]
    assert max(len(page["digests"]) for page in sent) > 1, "no page was split"
    assert all(same(migrated.target.get(migrated.owner.name(item)), item) for item in migrated.notes["large"])


def test_a_burst_of_long_texts_never_makes_the_replicator_stand_still(ran: Ran) -> None:
    _, migrated = arrived_whole(ran, "large_items")
    assert len(migrated.notes["texts"]) == BURST_ITEMS
    assert all(migrated.target.get(migrated.owner.name(item)) == item for item in migrated.notes["texts"])


def test_a_version_that_is_no_number_or_out_of_the_ordinary_never_loses_an_item(ran: Ran) -> None:
    _, migrated = arrived_whole(ran, "versions")
    backfill = migrated.backfill()
    assert backfill["inserted"] >= len(VERSIONS) + len(NO_VERSIONS)
    assert backfill["present"] > 0, "no page met a change"


def test_what_expires_during_the_run_is_not_kept_and_not_brought_back(ran: Ran) -> None:
    running, migrated = arrived_whole(ran, "expiring")
    assert (migrated.notes["at_start"], migrated.notes["in_the_end"]) == (EXPIRING_ITEMS, 0)
    assert all(item["pk"]["S"].startswith("stays") for item in migrated.target.values())
    ttl = running.dynamodb.describe_time_to_live(TableName=running.migration.target_table)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == DUE, "from now on the target expires by itself"


def test_segments_without_an_item_do_not_end_or_stop_a_migration(ran: Ran) -> None:
    _, migrated = arrived_whole(ran, "expiring")
    backfill = migrated.backfill()
    assert backfill["pages"] >= MORE_SEGMENTS > backfill["items"]


def test_exactly_what_the_target_refuses_is_kept_with_its_reason_and_stops_the_cut_over(ran: Ran) -> None:
    running, migrated = ran["refused_by_the_target"].result()
    owner, late = migrated.owner, migrated.notes["late"]
    assert (migrated.ended.status, migrated.ended.error) == ("FAILED", "DriftFound")
    assert f"{REFUSED_ITEMS + 1} missing, 0 extra, 1 mismatched" in migrated.ended.message
    assert "CutOver" not in migrated.ended.states
    assert running.pointer() is None
    assert migrated.backfill()["rejected"] == REFUSED_ITEMS, "as many as max_rejects: the proof finds them too"

    rejects = running.rejects()
    of_pages = [line for name, lines in rejects.items() if name.startswith("pages/") for line in lines]
    of_changes = [line for name, lines in rejects.items() if name.startswith("changes/") for line in lines]
    assert len(of_pages) + len(of_changes) == sum(map(len, rejects.values()))
    bad = [{"pk": {"S": f"bad-{number}"}, **wrong(number)} for number in range(REFUSED_ITEMS)]
    for lines, items in ((of_pages, bad), (of_changes, late)):
        kept = {line["item"]["pk"]["S"]: line["item"] for line in lines}
        assert kept == {item["pk"]["S"]: item for item in items}, "whole, to be mended by hand"
        assert len(kept) == len(lines)
        assert all(line["key"] == {"pk": line["item"]["pk"]} for line in lines)
        assert all(re.match(r"ValidationException: .{20}", line["reason"]) for line in lines)
        assert all("Type mismatch for Index Key" in line["reason"] for line in lines if "N" in line["item"]["n"])

    # The run has not come to where deletes lose their tombstones.
    target = {name: item for name, item in migrated.target.items() if "tableferry:tombstone" not in item}
    assert target.keys() == owner.expected.keys()
    assert [name for name, item in owner.expected.items() if not same(target[name], item)] == []
