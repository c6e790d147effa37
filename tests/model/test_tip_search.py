"""No interleaving of writes, answers and a shard that closes has the search miss what there was when it began."""

import pytest

from tasks.core.replicate.tip_search import Answer, Place, ShardSearch, TipSearch
from tests.model.tip_world import EMPTY_READS, TipBounds, explore_tips


@pytest.mark.parametrize("is_list_fresh", [False, True])
def test_a_tip_is_never_missed_while_answers_without_records_come_in_shorter_rows(*, is_list_fresh: bool) -> None:
    states, trace = explore_tips(TipBounds(is_list_fresh=is_list_fresh))
    assert not trace, "\n".join(trace)
    assert states > 1_000, "something is no longer explored"


class NeverLooksForChildren(TipSearch):
    """What the first list names is all that there is."""

    def is_list_outdated(self) -> bool:
        """Never."""
        return False

    def is_over(self) -> bool:
        """Whether all of it is read."""
        return not self.due()


class EndsWithTheFirstEmptyAnswerOfLatest(TipSearch):
    """What was read last is taken for the tip, as long as LATEST brings nothing."""

    def take(self, search: ShardSearch, answer: Answer) -> None:
        """Take the answer, and be content."""
        is_newest = search.place is Place.NEWEST
        super().take(search, answer)
        search.is_reached = search.is_reached or is_newest


class TakesAClosedShardForOneAtRest(TipSearch):
    """A closed shard too is left after some answers without records."""

    def take(self, search: ShardSearch, answer: Answer) -> None:
        """Take the answer, and be content with the first one without records of a closed shard."""
        super().take(search, answer)
        search.is_reached = search.is_reached or (not answer.first and not search.shard.is_open)


@pytest.mark.parametrize(
    ("bounds", "search"),
    [
        pytest.param(
            TipBounds(empty_answers=EMPTY_READS, closes=False), TipSearch, id="as many empty answers as count"
        ),
        pytest.param(TipBounds(), NeverLooksForChildren, id="children that are not looked for"),
        pytest.param(TipBounds(), EndsWithTheFirstEmptyAnswerOfLatest, id="nothing from LATEST taken for the tip"),
        pytest.param(
            TipBounds(is_list_fresh=True), TakesAClosedShardForOneAtRest, id="a closed shard not read to its end"
        ),
    ],
)
def test_what_is_left_out_of_the_search_is_caught(bounds: TipBounds, search: type[TipSearch]) -> None:
    _, trace = explore_tips(bounds, search)
    assert trace, "not caught"
    assert "wrong: the tips are" in trace[-1]
