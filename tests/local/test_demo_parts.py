"""The demonstration's parts judge a migration, so they are judged here."""

import copy
import itertools
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.judge.comparer import Comparison, Place, compare
from infra.local.rehearsal.owner import airports, journal
from infra.local.rehearsal.owner.airports import Item
from infra.local.rehearsal.owner.application import Application, Settings
from infra.local.rehearsal.owner.edits import edit
from infra.local.rehearsal.owner.holdings import Holdings, Known
from infra.local.rehearsal.owner.journal import Entry
from infra.local.rehearsal.owner.pointer import Pointer
from infra.local.rehearsal.owner.table import create_table, key_of, load
from infra.local.rehearsal.owner.wire import NoAnswer, Refused, Wire
from infra.local.rehearsal.owner.writer import HANDOVER_SECONDS, Counts, Writer
from infra.local.rehearsal.owner.writes import NOT_AS_KNOWN, key_item, plan_write

PRECISE = "1.2345678901234567890123456789012345678"  # 38 digits


# --- a table that works, in memory


class MemoryTables:
    """DynamoDB as far as application and comparer use it: the wire of the one, session and client of the other."""

    def __init__(self, **tables: list[Item]) -> None:
        self.tables = {name: {_text(key_of(item)): item for item in items} for name, items in tables.items()}
        self.scans = self.writes = 0
        self.lose_answer: Callable[[], bool | None] = lambda: None
        """Asked before each write: True loses the answer after the write, False before it, None neither."""

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        items = self.tables[request["TableName"]]
        key = key_of(request.get("Item") or request["Key"])
        if operation == "GetItem":
            assert request["ConsistentRead"]
            return {"Item": items[_text(key)]} if _text(key) in items else {}
        self.writes += 1
        lost = self.lose_answer()
        before = items.get(_text(key))
        if lost is False:
            raise NoAnswer("ReadTimeoutError", "lost before the write")
        if not _holds(before, request):
            raise Refused(NOT_AS_KNOWN, "the condition")
        items.pop(_text(key), None)
        if operation == "PutItem":
            items[_text(key)] = request["Item"]
        if operation == "UpdateItem":
            items[_text(key)] = _updated(copy.deepcopy(before or key), request)
        if lost:
            raise NoAnswer("ReadTimeoutError", "lost after the write")
        return {}

    def client(self, _service: str) -> "MemoryTables":
        return self

    @property
    def meta(self) -> SimpleNamespace:
        return SimpleNamespace(events=SimpleNamespace(register=lambda *_: None))

    def get_paginator(self, _operation: str) -> "MemoryTables":
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 -- as boto3
        assert request["ConsistentRead"]
        self.scans += request["Segment"] == 0
        items = list(self.tables[request["TableName"]].values())[request["Segment"] :: request["TotalSegments"]]
        yield {"ItemsAsSent": items}


def _text(key: Item) -> str:
    return f"{key['icao']['S']}/{key['cycle']['N']}"


def _holds(before: Item | None, request: dict[str, Any]) -> bool:
    if request["ConditionExpression"] == "attribute_not_exists(#icao)":
        return before is None
    return before is not None and before["updatedAt"] == request["ExpressionAttributeValues"][":known"]


def _updated(before: Item, request: dict[str, Any]) -> Item:
    """Evaluate the few forms of UpdateExpression that the application uses."""
    values, names = request["ExpressionAttributeValues"], request["ExpressionAttributeNames"]
    for word, clauses in re.findall(r"(SET|ADD|REMOVE) (.*?)(?= SET | ADD | REMOVE |$)", request["UpdateExpression"]):
        for clause in clauses.split(", "):
            path, _, placeholder = clause.replace(" = ", " ").partition(" ")
            *parents, last = [names[part] for part in path.split(".")]
            holder = before
            for parent in parents:
                holder = holder[parent]["M"]
            if word == "REMOVE":
                holder.pop(last, None)
            elif word == "SET":
                holder[last] = values[placeholder]
            else:
                ((kind, added),) = values[placeholder].items()
                old = holder.get(last, {kind: "0" if kind == "N" else []})[kind]
                holder[last] = {kind: str(Decimal(old) + Decimal(added)) if kind == "N" else sorted({*old, *added})}
    return before


# --- the comparer


def item(icao: str = "ZZZZ", updated_at: int = 1) -> Item:
    return {
        "icao": {"S": icao},
        "cycle": {"N": "2601"},
        "updatedAt": {"N": str(updated_at)},
        "exact": {"N": PRECISE},
        "half": {"N": "2.50"},
        "text": {"S": ""},
        "nothing": {"NULL": True},
        "open": {"BOOL": True},
        "binary": {"B": "AAEC"},
        "words": {"SS": ["a", "b"]},
        "numbers": {"NS": ["1", PRECISE]},
        "binaries": {"BS": ["AA==", "AQ=="]},
        "nested": {"M": {"list": {"L": [{"N": PRECISE}, {"S": ""}, {"M": {"b": {"B": "AAEC"}}}]}, "empty": {"M": {}}}},
    }


def accepted(image: Item, table: str = "source") -> Entry:
    return Entry(1, "put", table, key_of(image), "accepted", image)


def deleted(image: Item, table: str = "source") -> Entry:
    return Entry(1, "delete", table, key_of(image), "accepted", None)


def uncertain(image: Item, after: Item | None) -> Entry:
    return Entry(1, "put", "source", key_of(image), "uncertain", after, "ReadTimeoutError")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def verdict(path: Path, entries: list[Entry], items: list[Item]) -> Comparison:
    """Judge a table of these items by a journal of these entries."""
    with journal.Journal(path) as notes:
        notes.add_all(entries)
    return compare(path, [Place("target", MemoryTables(target=items), "target")])  # type: ignore[arg-type]  # works as one


def kinds(comparison: Comparison) -> list[str]:
    return [difference.kind for difference in comparison.judgements[0].differences]


def test_an_item_that_only_looks_different_is_equal(path: Path) -> None:
    looks = item() | {
        "half": {"N": "25E-1"},
        "words": {"SS": ["b", "a"]},
        "numbers": {"NS": [PRECISE, "1.0"]},
        "binaries": {"BS": ["AQ==", "AA=="]},
    }
    comparison = verdict(path, [accepted(item())], [looks])
    assert comparison.equal
    assert comparison.judgements[0].read_items == comparison.judgements[0].expected_items == 1


def _damages() -> Iterator[Any]:
    cut = PRECISE[:-1]
    nested = item()["nested"]["M"]
    inner = nested["list"]["L"]
    damages: dict[str, Item] = {
        "a_38_digit_number_cut_by_one_digit": {"exact": {"N": cut}},
        "a_38_digit_number_that_went_through_a_float": {"exact": {"N": str(float(PRECISE))}},
        "a_cut_number_in_a_set": {"numbers": {"NS": ["1", cut]}},
        "a_cut_number_in_a_list_in_a_map": {"nested": {"M": {**nested, "list": {"L": [{"N": cut}, *inner[1:]]}}}},
        "a_number_as_text": {"half": {"S": "2.50"}},
        "a_set_without_one_element": {"words": {"SS": ["a"]}},
        "a_set_with_one_element_more": {"words": {"SS": ["a", "b", "c"]}},
        "a_set_as_a_list": {"words": {"L": [{"S": "a"}, {"S": "b"}]}},
        "a_number_set_as_a_string_set": {"numbers": {"SS": ["1", PRECISE]}},
        "a_binary_changed_in_one_byte": {"binary": {"B": "AAED"}},
        "a_binary_encoded_twice": {"binary": {"B": "QUFFQw=="}},
        "a_binary_in_a_set_changed": {"binaries": {"BS": ["AA==", "Ag=="]}},
        "a_null_as_an_empty_string": {"nothing": {"S": ""}},
        "an_empty_string_as_null": {"text": {"NULL": True}},
        "an_empty_string_as_a_space": {"text": {"S": " "}},
        "a_boolean_turned": {"open": {"BOOL": False}},
        "a_list_in_another_order": {"nested": {"M": {**nested, "list": {"L": inner[::-1]}}}},
        "an_empty_map_as_an_empty_list": {"nested": {"M": {**nested, "empty": {"L": []}}}},
        "an_attribute_more": {"tombstone": {"BOOL": True}},
    }
    for name, attributes in damages.items():
        yield pytest.param(item() | attributes, next(iter(attributes)), id=name)
    without = item()
    del without["text"]
    yield pytest.param(without, "text", id="an_empty_string_left_out")


@pytest.mark.parametrize(("damaged", "attribute"), list(_damages()))
def test_a_damaged_item_is_found_with_the_attribute(path: Path, damaged: Item, attribute: str) -> None:
    comparison = verdict(path, [accepted(item()), accepted(item("AAAA"))], [damaged, item("AAAA")])
    assert not comparison.equal
    assert kinds(comparison) == ["differing"]
    assert comparison.judgements[0].differences[0].attributes == (attribute,)
    assert comparison.samples() == [f"target: differing ZZZZ/2601 (attributes: {attribute})"]


def test_a_lost_insert_is_found(path: Path) -> None:
    assert kinds(verdict(path, [accepted(item()), accepted(item("AAAA"))], [item()])) == ["lost"]


def test_a_lost_update_is_found_although_the_item_is_there(path: Path) -> None:
    entries = [accepted(item()), accepted(item(updated_at=2))]
    assert kinds(verdict(path, entries, [item()])) == ["lost"]


def test_a_lost_recreation_is_found(path: Path) -> None:
    assert kinds(verdict(path, [accepted(item()), deleted(item()), accepted(item(updated_at=3))], [])) == ["lost"]


def test_a_resurrected_delete_is_found(path: Path) -> None:
    comparison = verdict(path, [accepted(item()), deleted(item()), accepted(item("AAAA"))], [item(), item("AAAA")])
    assert kinds(comparison) == ["resurrected"]


def test_a_tombstone_left_behind_is_found(path: Path) -> None:
    tombstone = key_of(item()) | {"marker": {"BOOL": True}}
    comparison = verdict(path, [accepted(item()), deleted(item()), accepted(item("AAAA"))], [tombstone, item("AAAA")])
    assert kinds(comparison) == ["resurrected"]


def test_an_extra_item_is_found(path: Path) -> None:
    assert kinds(verdict(path, [accepted(item())], [item(), item("XXXX")])) == ["extra"]


def test_nothing_expected_is_no_proof(path: Path) -> None:
    assert not verdict(path, [], []).equal


@pytest.mark.parametrize("stands", [item(), item(updated_at=2)])
def test_of_an_unsettled_write_both_states_are_right(path: Path, stands: Item) -> None:
    entries = [accepted(item()), uncertain(item(), item(updated_at=2))]
    assert verdict(path, entries, [stands]).equal


def test_of_an_unsettled_write_no_third_state_is_right(path: Path) -> None:
    entries = [accepted(item()), uncertain(item(), item(updated_at=2))]
    assert kinds(verdict(path, entries, [item(updated_at=3)])) == ["differing"]


def test_a_settled_write_has_one_right_state(path: Path) -> None:
    entries = [accepted(item()), uncertain(item(), item(updated_at=2)), accepted(item(updated_at=2))]
    assert kinds(verdict(path, entries, [item()])) == ["lost"]


def test_what_was_meant_before_a_later_write_is_not_right_any_more(path: Path) -> None:
    entries = [accepted(item()), uncertain(item(), item(updated_at=2)), accepted(item(updated_at=2))]
    assert kinds(verdict(path, [*entries, accepted(item(updated_at=3))], [item(updated_at=2)])) == ["lost"]


def test_a_refused_write_is_not_right(path: Path) -> None:
    refused = Entry(1, "put", "source", key_of(item()), "refused", error=NOT_AS_KNOWN)
    entries = [accepted(item()), uncertain(item(), item(updated_at=2)), refused]
    assert kinds(verdict(path, entries, [item(updated_at=2)])) == ["differing"]


def test_the_source_is_judged_by_its_own_writes_only(path: Path) -> None:
    later = item(updated_at=2)
    with journal.Journal(path) as notes:
        notes.add_all([accepted(item()), accepted(later, "target"), accepted(item("AAAA"), "target")])
    tables: Any = MemoryTables(source=[item()], target=[later, item("AAAA")])
    places = [Place("source", tables, "source", written_as="source"), Place("target", tables, "target")]
    assert compare(path, places).equal


def test_a_replica_may_follow_within_its_time_only(path: Path) -> None:
    with journal.Journal(path) as notes:
        notes.add_all([accepted(item())])

    class Late(MemoryTables):
        def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 -- as boto3
            if self.scans == 1:
                self.tables["target"][_text(item())] = item()
            return super().paginate(**request)

    tables: Any = Late(target=[])
    assert not compare(path, [Place("replica", tables, "target")]).equal
    tables = Late(target=[])
    assert compare(path, [Place("replica", tables, "target", settle_seconds=30)]).equal


# --- the airports


def test_the_same_seed_gives_the_same_airports_with_distinct_keys() -> None:
    made = list(airports.items(400, seed=3))
    assert made == list(airports.items(400, seed=3))
    assert made != list(airports.items(400, seed=4))
    assert len({_text(one) for one in made}) == 400


def test_a_table_larger_than_the_world_holds_further_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    world = airports.rows()[:3]
    monkeypatch.setattr(airports, "rows", lambda: world)
    made = [_text(one).split("/") for one in airports.items(7, seed=1)]
    assert [in_cycle for _, in_cycle in made] == ["2601"] * 3 + ["2602"] * 3 + ["2603"]
    assert {icao for icao, _ in made[:3]} == {icao for icao, _ in made[3:6]}
    assert [airports.cycle(number) for number in (0, 12, 13)] == [2601, 2613, 2701]


def _values(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    ((kind, content),) = value.items()
    yield kind, content
    for inner in content if kind == "L" else content.values() if kind == "M" else ():
        yield from _values(inner)


def test_every_type_occurs_and_the_values_that_copiers_get_wrong() -> None:
    made = list(itertools.chain.from_iterable(_values({"M": one}) for one in airports.items(200, seed=1)))
    assert {kind for kind, _ in made} == {"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"}
    empties: list[tuple[str, Any]] = [("S", ""), ("B", ""), ("L", []), ("M", {})]
    assert all(empty in made for empty in empties)
    assert ("N", "1E-130") in made
    exact = [one["survey"]["M"]["latitude"]["N"] for one in airports.items(200, seed=1)]
    assert {len(number.replace(".", "").strip("-0")) for number in exact} == {38}


# --- the application


SOURCE, TARGET = "source", "target"


class PointerParameter:
    """SSM with one parameter, which may be missing or unreadable."""

    def __init__(self) -> None:
        self.value: str | None = None
        self.reads = 0
        self.unreadable = False

    def get_parameter(self, **_request: Any) -> dict[str, Any]:  # noqa: ANN401 -- as boto3
        self.reads += 1
        if self.unreadable or self.value is None:
            code, status = ("InternalServerError", 500) if self.unreadable else ("ParameterNotFound", 400)
            raise _error(code, status)
        return {"Parameter": {"Value": self.value}}


def _error(code: str, status: int) -> ClientError:
    metadata: Any = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "AnyOperation")


class OneWriter:
    """A writer with all it needs, on tables in memory; `count` items are loaded."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, count: int = 20) -> None:
        loaded = list(airports.items(count, seed=1))
        self.tables = MemoryTables(source=loaded, target=[])
        self.parameter = PointerParameter()
        self.path = path
        self.counts = Counts()
        self.stop = threading.Event()
        self.clock = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.clock)
        monkeypatch.setattr(time, "sleep", self.pass_time)
        self.holdings = Holdings(airports.rows())
        with journal.Journal(path) as notes:
            notes.add_all(accepted(one) for one in loaded)
        for one in loaded:
            known = Known(json.dumps(one).encode(), int(one["updatedAt"]["N"]), SOURCE, 0.0)
            self.holdings.note((one["icao"]["S"], int(one["cycle"]["N"])), known)

    def pass_time(self, seconds: float) -> None:
        self.clock += seconds

    def write(self, times: int = 1) -> list[Entry]:
        """Write and return the journal's new entries."""
        before = len(list(journal.read(self.path)))
        tables: Any = self.tables
        parameter: Any = self.parameter
        with journal.Journal(self.path) as notes:
            pointer = Pointer(parameter, "/pointer", SOURCE)
            writer = Writer(tables, pointer, self.holdings, notes, self.counts, random.Random(7), self.stop)
            for _ in range(times):
                writer.write_once()
        return list(journal.read(self.path))[before:]

    def compare(self, table: str, written_as: str | None = None) -> Comparison:
        tables: Any = self.tables
        return compare(self.path, [Place(table, tables, table, written_as)])


@pytest.fixture
def one_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> OneWriter:
    return OneWriter(path, monkeypatch)


def test_the_journal_tells_what_the_table_holds_after_every_kind_of_write(one_writer: OneWriter) -> None:
    entries = one_writer.write(400)
    assert {entry.outcome for entry in entries} == {"accepted"}
    assert {entry.operation for entry in entries} == {"insert", "put", "update", "delete", "recreate"}
    assert one_writer.compare(SOURCE).equal


def test_operations_come_in_their_shares(one_writer: OneWriter) -> None:
    one_writer.write(2000)
    shares = {name: round(100 * count / 2000) for name, count in one_writer.counts.accepted.items()}
    for name, share in {"insert": 35, "put": 20, "update": 20, "delete": 15, "recreate": 10}.items():
        assert abs(shares[name] - share) <= 4, shares


def test_updated_at_never_runs_backwards_for_a_key_even_if_the_clock_stands(
    one_writer: OneWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    last: dict[str, int] = {}
    for entry in one_writer.write(500):
        if entry.image:
            updated_at = int(entry.image["updatedAt"]["N"])
            assert updated_at > last.get(_text(entry.key), 0)
            last[_text(entry.key)] = updated_at


@pytest.mark.parametrize("arrives", [True, False], ids=["it_had_arrived", "it_had_not_arrived"])
def test_a_write_whose_answer_was_lost_is_settled_and_never_applied_twice(
    one_writer: OneWriter, *, arrives: bool
) -> None:
    answers = itertools.cycle([None, None, arrives])
    one_writer.tables.lose_answer = lambda: next(answers)
    entries = one_writer.write(300)
    assert one_writer.counts.uncertain > 50
    assert one_writer.counts.unsettled == 0
    unsettled = [_text(entry.key) for entry in entries if entry.outcome == "uncertain"]
    for key in unsettled:
        after = [entry.outcome for entry in entries if _text(entry.key) == key]
        assert after[-2:] == ["uncertain", "accepted"], "settled, and then left alone"
    assert one_writer.tables.writes == 300 + (0 if arrives else len(unsettled))
    assert one_writer.compare(SOURCE).equal


def test_a_write_that_arrives_while_it_is_repeated_is_accepted_once(one_writer: OneWriter) -> None:
    def arrive_late() -> bool | None:
        if one_writer.tables.writes == 1:
            return False
        meant = list(journal.read(one_writer.path))[-1].image
        assert meant is not None
        one_writer.tables.tables[SOURCE][_text(key_of(meant))] = meant
        return None

    one_writer.tables.lose_answer = arrive_late
    outcomes = [entry.outcome for entry in one_writer.write()]
    assert outcomes == ["uncertain", "accepted"]
    assert one_writer.tables.writes == 2


def test_a_lost_answer_is_not_repeated_at_the_source_once_the_pointer_has_moved(one_writer: OneWriter) -> None:
    def lose_and_cut_over() -> bool:
        one_writer.parameter.value = TARGET
        one_writer.pass_time(1)
        return False

    one_writer.tables.lose_answer = lose_and_cut_over
    (entry,) = one_writer.write()
    assert entry.outcome == "uncertain"
    assert one_writer.counts.unsettled == 1
    assert one_writer.tables.writes == 1
    assert one_writer.compare(SOURCE).equal


def test_a_writer_puts_off_what_has_not_reached_the_target(one_writer: OneWriter) -> None:
    one_writer.parameter.value = TARGET
    entries = one_writer.write(40)
    outcomes = {(entry.outcome, entry.operation == "insert") for entry in entries}
    assert outcomes >= {("accepted", True), ("refused", False)}
    assert one_writer.counts.put_off > 0
    assert one_writer.counts.refused == 0
    assert one_writer.compare(SOURCE, written_as=SOURCE).equal


def test_a_key_just_deleted_at_the_source_is_not_made_again_at_the_target(one_writer: OneWriter) -> None:
    one_writer.write(100)
    one_writer.parameter.value = TARGET
    deleted_keys = [_text(key_item(key)) for key, known in one_writer.holdings.known.items() if known.image is None]
    assert deleted_keys
    entries = [entry for entry in one_writer.write(200) if _text(entry.key) in deleted_keys]
    assert {entry.outcome for entry in entries} == {"refused"}
    one_writer.pass_time(HANDOVER_SECONDS)
    entries = [entry for entry in one_writer.write(200) if _text(entry.key) in deleted_keys]
    assert "accepted" in {entry.outcome for entry in entries}


def test_nobody_writes_while_the_pointer_cannot_be_read(one_writer: OneWriter) -> None:
    one_writer.parameter.unreadable = True
    one_writer.stop.set()
    assert one_writer.write(3) == []
    assert one_writer.counts.errors == {"pointer: InternalServerError": 3}


def test_the_pointer_is_read_at_most_once_a_second_and_then_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    parameter: Any = PointerParameter()
    clock = [5.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    pointer = Pointer(parameter, "/pointer", SOURCE)
    assert [pointer.table() for _ in range(5)] == [SOURCE] * 5
    parameter.value = TARGET
    assert parameter.reads == 1
    clock[0] += 1.0
    assert pointer.table() == TARGET
    parameter.value = None
    clock[0] += 1.0
    assert pointer.table() == TARGET, "a pointer that was removed after the cut-over sends nobody back"


def test_an_edit_says_the_image_that_dynamodb_makes_of_it() -> None:
    rng = random.Random(1)
    for before in airports.items(300, seed=1):
        made = edit(before, rng, updated_at=9)
        request = made.request()
        assert _updated(copy.deepcopy(before), request) == made.after
        assert made.after != before


def test_a_seed_decides_the_writes(one_writer: OneWriter) -> None:
    def planned() -> list[tuple[str, Any]]:
        rng = random.Random(5)
        writes = (plan_write(one_writer.holdings, rng, SOURCE) for _ in range(50))
        return [(write.operation, write.key) for write in writes]

    assert planned() == planned()


# --- application and comparer on the engines


class Owned:
    """A table of 200 airports in the local AWS, with its journal, and settings for its application."""

    def __init__(self, aws: LocalAwsProcess, path: Path, name: str) -> None:
        self.aws = aws
        self.path = path
        self.client = aws.session().client("dynamodb")
        self.settings = Settings(name, f"/tableferry/{name}/active-table", str(path), aws.region, 150, writers=4)
        create_table(self.client, name)
        wire = Wire(aws.session())
        with journal.Journal(path) as notes:
            assert load(wire, name, airports.items(200, seed=1), notes) == 200
        wire.close()

    def application(self) -> Application:
        return Application(self.settings, self.aws.environment())

    def compare(self) -> Comparison:
        name = self.settings.source
        return compare(self.path, [Place("source", self.aws.session(), name, written_as=name)])


@pytest.mark.engines
def test_the_journal_is_what_dynamodb_made_of_the_writes_and_damage_is_found(
    local_aws: LocalAwsProcess, path: Path
) -> None:
    owned = Owned(local_aws, path, "demo-journal")
    for _ in range(2):  # started again, it goes on from its journal
        with owned.application() as application:
            application.wait_for(lambda counted: counted.writes >= 150 and counted.accepted.get("recreate", 0) > 0)
        counted = application.counted
        assert (counted.refused, counted.put_off, counted.uncertain, counted.errors) == (0, 0, 0, {})
    comparison = owned.compare()
    assert comparison.equal, comparison.samples()

    exact, gone = itertools.islice(owned.client.scan(TableName=owned.settings.source)["Items"], 2)
    exact["survey"]["M"]["latitude"]["N"] = exact["survey"]["M"]["latitude"]["N"][:-1]
    owned.client.put_item(TableName=owned.settings.source, Item=exact)
    owned.client.delete_item(TableName=owned.settings.source, Key=key_of(gone))
    owned.client.put_item(TableName=owned.settings.source, Item=item("XXXXX"))
    assert sorted(kinds(owned.compare())) == ["differing", "extra", "lost"]


@pytest.mark.engines
def test_the_application_follows_the_pointer_and_leaves_the_source_alone(
    local_aws: LocalAwsProcess, path: Path
) -> None:
    owned = Owned(local_aws, path, "demo-pointer")
    create_table(owned.client, "demo-pointer-target")
    with owned.application() as application:
        application.wait_for(lambda counted: counted.tables.get("demo-pointer", 0) > 20)
        local_aws.session().client("ssm").put_parameter(
            Name=owned.settings.pointer, Value="demo-pointer-target", Type="String"
        )
        application.wait_for(lambda counted: counted.tables.get("demo-pointer-target", 0) > 20)
        written = application.counted.tables["demo-pointer"]
        after = application.wait_for(lambda counted: counted.tables["demo-pointer-target"] > 100)
    assert after.tables["demo-pointer"] == written
    assert after.put_off > 0, "nothing was copied, so that only new items can be written there"
    assert owned.compare().equal
