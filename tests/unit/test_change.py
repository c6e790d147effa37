"""A batch of stream records, and where it is taken up again after a failure."""

from dataclasses import replace
from typing import Any

from tasks.core.model.item import KeySchema, without_legacy_attributes
from tasks.core.replicate.change import advance, first_unapplied, parse_changes
from tasks.core.replicate.conflict import Change, last_per_key
from tasks.core.replicate.watermark import Watermark

SCHEMA = KeySchema("pk", "S")


def record(pk: str, number: int, old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    images = {"OldImage": old, "NewImage": new}
    return {
        "eventName": "MODIFY",
        "dynamodb": {
            "Keys": {"pk": {"S": pk}},
            "SequenceNumber": str(number),
            **{name: image for name, image in images.items() if image is not None},
        },
    }


def change(pk: str, number: int) -> Change:
    return Change({"pk": {"S": pk}}, None, {"pk": {"S": pk}}, str(number))


def test_images_reach_the_target_exactly_as_they_came() -> None:
    image = {"pk": {"S": "a"}, "b": {"B": "/w=="}, "n": {"N": "12345678901234567890123456789012345678"}}
    (parsed,) = parse_changes([record("a", 7, None, image)], without_legacy_attributes)
    assert (parsed.key, parsed.old, parsed.new, parsed.sequence_number) == ({"pk": {"S": "a"}}, None, image, "7")


def test_a_delete_is_never_taken_for_an_empty_item() -> None:
    (parsed,) = parse_changes([record("a", 1, {"pk": {"S": "a"}}, None)], without_legacy_attributes)
    assert parsed.new is None
    assert parsed.old == {"pk": {"S": "a"}}


def test_legacy_attributes_of_either_image_stay_behind() -> None:
    image = {"pk": {"S": "a"}, "aws:rep:updatetime": {"N": "1"}}
    (parsed,) = parse_changes([record("a", 1, image, image)], without_legacy_attributes)
    assert parsed.old == parsed.new == {"pk": {"S": "a"}}


def test_nothing_newer_overtakes_a_change_that_failed() -> None:
    changes = [change("a", 1), change("b", 2), change("a", 3), change("c", 4)]
    merged = last_per_key(changes, SCHEMA)
    assert [entry.sequence_number for entry in merged] == ["2", "3", "4"]
    assert first_unapplied(changes, [], SCHEMA) == "1"
    assert first_unapplied(changes, merged[:1], SCHEMA) == "1", "a's last image is not applied: from its first on"
    assert first_unapplied(changes, merged[:2], SCHEMA) == "4"


def test_a_watermark_that_could_not_be_written_brings_the_whole_batch_again() -> None:
    changes = [change("a", 1), change("b", 2)]
    assert first_unapplied(changes, changes, SCHEMA) == "1"


def test_an_expiry_is_no_write_by_an_application() -> None:
    written = record("a", 1, None, {"pk": {"S": "a"}})
    written["dynamodb"]["ApproximateCreationDateTime"] = 100.0
    expired = record("a", 2, {"pk": {"S": "a"}}, None)
    expired["dynamodb"]["ApproximateCreationDateTime"] = 900.0
    expired["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    changes = parse_changes([written, expired], without_legacy_attributes)
    assert [entry.is_expiry for entry in changes] == [False, True]
    watermark = advance(None, "shard-1", changes, applied_at=901.0, rule_since=5.0)
    assert (watermark.sequence_number, watermark.changed_at, watermark.written_at) == ("2", 900.0, 901.0)
    later = advance(watermark, "shard-1", changes[1:], applied_at=990.0, rule_since=5.0)
    assert later.written_at == 901.0, "it is carried on"


def test_a_change_that_was_about_to_leave_the_stream_is_remembered() -> None:
    def applied_after(hours: float, watermark: Watermark | None) -> Watermark:
        taken = replace(change("a", 1), at=1_000_000.0)
        return advance(watermark, "shard-1", [taken], applied_at=1_000_000.0 + hours * 3600, rule_since=0.0)

    in_time = applied_after(23, None)
    assert in_time.late_at == 0.0
    late = applied_after(23.6, in_time)
    assert late.late_at == late.applied_at
    assert applied_after(0, late).late_at == late.applied_at, "and not forgotten"
