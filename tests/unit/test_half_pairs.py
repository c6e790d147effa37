"""Half of a surrogate pair: DynamoDB takes it, UTF-8 has no bytes for it, and it has to arrive as it came."""

import json
from typing import Any

import pytest

from tasks.aws.dynamodb.target import insert_statement, statements_body
from tasks.core.copy.page import KINESIS_RECORD_BYTES, decode_items, encode_page, split_items, take_apart
from tasks.core.copy.segment import Checkpoint
from tasks.core.model.item import Item, json_bytes
from tasks.core.model.item_text import split
from tasks.core.prove.drift import Difference, Drift
from tasks.core.prove.verification import VerifySlice

KEY = {"pk": {"S": "k\ud83d"}, "sk": {"S": "\ude00\ud83d whole \U0001f600 \u0436"}}


def as_lambda_sends_it(answer: object) -> Any:  # noqa: ANN401 — any JSON
    """Send an answer through Lambda's runtime, which writes plain UTF-8."""
    return json.loads(json.dumps(answer, ensure_ascii=False).encode())


def test_a_request_has_the_escape_and_leaves_all_other_text_as_it_is() -> None:
    body = json_bytes({"Item": KEY})
    assert json.loads(body) == {"Item": KEY}
    assert rb'"k\ud83d"' in body
    assert "whole \U0001f600 \u0436".encode() in body, "escaped, a batch could be beyond what a call may have"


@pytest.mark.parametrize(
    "state",
    [
        Checkpoint(segment=3, cursor=KEY, pages=7),
        Checkpoint(segment=3, cursor={"pk": {"S": "plain"}}),
        Checkpoint(segment=3),
        VerifySlice(table="source", segment=0, cursor=KEY),
    ],
)
def test_a_cursor_with_one_goes_through_a_states_data(state: Checkpoint | VerifySlice) -> None:
    """A state whose answer cannot be sent fails for ever at the same page."""
    told = as_lambda_sends_it(state.model_dump(mode="json", exclude_defaults=True))
    assert type(state).model_validate(told) == state
    assert type(state).model_validate_json(json.dumps(told)) == state


def test_a_cursor_without_one_is_told_as_it_is() -> None:
    plain = {"pk": {"S": "\u0436"}}
    assert Checkpoint(segment=0, cursor=plain).model_dump(mode="json")["cursor"] == plain


def test_drift_of_such_a_key_is_told_and_does_not_fail_on_its_name() -> None:
    words = Drift(missing=1, extra=0, mismatched=0, samples=((Difference.MISSING, KEY),)).in_words()
    assert as_lambda_sends_it({"errorMessage": words})["errorMessage"] == words
    assert r"k\ud83d" in words


PAGE: list[Item] = [
    {"pk": {"S": f"{number}\ud83d"}, "whole": {"S": "\U0001f600"}, name: {"M": {"\udc00": {"S": "\ude00"}}}}
    for number, name in enumerate(["\ud83d", "plain", "\ude00\ud83d", "\\ud83d"] * 30)
]


@pytest.mark.parametrize("room", [KINESIS_RECORD_BYTES, 1200])
def test_a_page_with_some_comes_out_as_it_went_in_whole_or_cut(room: int) -> None:
    body = json.dumps({"Items": PAGE, "Count": len(PAGE), "ScannedCount": len(PAGE)}).encode()
    records = encode_page(take_apart(body), run="r", segment=0, number=0, record_bytes=room)
    assert (len(records) > 1) == (room == 1200)
    assert [item for record in records for item in decode_items(record)] == PAGE
    inserted = [insert_statement("t", item) for record in records for item in split_items(record)]
    sent = json.loads(statements_body([statement for statement in inserted if statement]))["Statements"]
    assert [statement["Parameters"] for statement in sent] == [list(item.values()) for item in PAGE]
    assert "'\ud83d': ?" in sent[0]["Statement"]


@pytest.mark.parametrize("array", [b"{}", b"[1]", b'["a"]', b'[{"a":{"S":"b"}', b"[[]]", b"", b'[{"a":{"S":"b"}}] 1'])
def test_what_is_no_array_of_items_is_never_taken_for_one(array: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 — whichever says it
        split(array)
