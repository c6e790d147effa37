"""From which checkpoint a segment is scanned on: never from one that the send ledger does not end at any more."""

import json

import pytest
from pydantic import ValidationError

from tasks.core.copy.checkpoints import STATE_BYTES_MOST, Search, fit_into_state
from tasks.core.copy.segment import Checkpoint
from tasks.core.settings.migration import MAX_SEGMENTS


def at(pages: int, segment: int = 0, *, done: bool = False, kept: bool = False) -> Checkpoint:
    cursor = {"pk": {"S": f"key {pages}"}} if pages and not done else None
    state = "done" if done else "scanning"
    return Checkpoint(segment=segment, state=state, cursor=cursor, pages=pages, items=pages * 10, kept=kept)


def search(
    noted: list[Checkpoint], missing: dict[int, int] | None = None, kept: list[Checkpoint] | None = None, total: int = 1
) -> Search:
    return Search(
        total,
        {checkpoint.segment: checkpoint for checkpoint in noted},
        missing or {},
        {checkpoint.segment: checkpoint for checkpoint in kept or []},
    )


def test_what_is_done_is_not_scanned_again_and_the_rest_goes_on_behind_its_last_cursor() -> None:
    found = search([at(9, 0, done=True), at(7, 1)], total=3)
    assert not found.is_complete
    found.look_at({0: [at(0), at(5), at(9, done=True)], 1: [at(0, 1), at(3, 1), at(6, 1)], 2: [at(0, 2)]})
    assert found.is_complete
    assert found.result() == [at(6, 1), at(0, 2)]


def test_a_segment_that_no_history_knows_is_scanned_from_its_beginning() -> None:
    assert search([]).result() == [Checkpoint(segment=0)]


def test_a_segment_that_is_done_to_its_history_but_was_taken_up_again_is_not_taken_for_done() -> None:
    """A later call has claimed it, and may have put other pages in place of the last ones."""
    found = search([at(3)])
    found.look_at({0: [at(0), at(3), at(5, done=True)]})
    assert found.result() == [at(3)]


def test_a_newer_history_is_believed_before_an_older_one_that_had_come_further() -> None:
    """The newer scan began at page 3 and put other pages in place of those behind it."""
    found = search([at(4)])
    found.look_at({0: [at(3), at(4)]})
    found.look_at({0: [at(0), at(3), at(9)]})
    assert found.result() == [at(4)]


def test_after_a_page_was_given_up_the_scan_begins_at_or_before_it() -> None:
    found = search([at(9, done=True)], {0: 4})
    found.look_at({0: [at(0), at(3), at(6), at(9, done=True)]})
    assert found.result() == [at(3)]


def test_an_older_history_is_asked_where_the_newest_scan_began_behind_the_page_that_is_missing() -> None:
    found = search([at(9, done=True)], {0: 7})
    found.look_at({0: [at(8), at(9, done=True)]})
    assert not found.is_complete
    found.look_at({0: [at(2), at(5), at(8)]})
    found.look_at({0: [at(0), at(6)]})
    assert found.result() == [at(5)], "the scan that began at page 2 has put others in place of those up to 6"


def test_a_kept_cursor_is_that_of_the_newest_scan_and_an_older_one_counts_from_the_start() -> None:
    kept = at(6)
    found = search([at(6)], kept=[kept])
    found.look_at({0: [at(0, kept=True)]})
    assert found.result() == [kept]
    missing = search([at(9, done=True)], {0: 4}, kept=[kept])
    missing.look_at({0: [at(0, kept=True), at(9, done=True)]})
    missing.look_at({0: [at(0, kept=True), at(3)]})
    assert missing.result()[0].pages in {0, 3}
    missing.look_at({0: [at(0), at(2)]})
    assert missing.result()[0].pages in {0, 3}


@pytest.mark.parametrize("segments", [40, 4096, MAX_SEGMENTS])
def test_the_maps_input_stays_within_a_states_256_kib_however_many_segments_have_a_cursor(segments: int) -> None:
    long = {"pk": {"S": "k" * 1000}}
    begun = [Checkpoint(segment=n, cursor=long, pages=n, records=n, items=n * 1000) for n in range(1, segments)]
    given, kept = fit_into_state([Checkpoint(segment=0), *begun])
    travelling = json.dumps([one.in_short() for one in given])
    assert len(travelling) <= STATE_BYTES_MOST < 256 * 1024
    read = [Checkpoint.model_validate(one) for one in json.loads(travelling)]
    assert [one.segment for one in read] == list(range(segments))
    whole = {one.segment: one for one in kept}
    assert [whole[one.segment] if one.kept else one for one in read] == [Checkpoint(segment=0), *begun]
    assert bool(kept) == (segments > 100)


def test_segments_from_the_start_fit_too_however_many() -> None:
    for count, are_kept in ((8_000, False), (MAX_SEGMENTS, True)):
        given, kept = fit_into_state([Checkpoint(segment=n) for n in range(count)])
        assert len(json.dumps([one.in_short() for one in given])) <= STATE_BYTES_MOST
        assert [one.segment for one in given] == list(range(count))
        assert len(kept) == (count if are_kept else 0)


def test_a_number_alone_is_a_segment_whose_rest_is_kept() -> None:
    assert Checkpoint(segment=7, kept=True).in_short() == 7
    assert Checkpoint.model_validate(7) == Checkpoint.model_validate_json("7") == Checkpoint(segment=7, kept=True)
    assert Checkpoint(segment=7).in_short() == {"segment": 7}
    with pytest.raises(ValidationError):
        Checkpoint.model_validate("7")
