"""The course of a verification: of calls that were made again, exactly those that follow one another are taken."""

from dataclasses import dataclass

from tasks.core.prove.passes import Stretch
from tasks.core.prove.verification import BEGUN, DONE, Kept, Verification, VerifySlice, chain, plan_slices


@dataclass(frozen=True, slots=True)
class Call:
    begun: str
    reached: str
    number: int = 0


def test_a_call_whose_answer_was_lost_is_never_counted_beside_the_one_that_took_its_place() -> None:
    lost, again, after = Call(BEGUN, "k700"), Call(BEGUN, "k650"), Call("k650", DONE)
    for links in ([lost, again, after], [after, again, lost], [again, lost, after]):
        assert chain(links, BEGUN) == [again, after]


def test_what_was_not_read_to_its_end_is_not_whole() -> None:
    assert chain([], BEGUN) is None
    assert chain([Call(BEGUN, "a")], BEGUN) is None
    assert chain([Call("a", DONE)], BEGUN) is None
    assert chain([Call(BEGUN, "a"), Call("b", DONE)], BEGUN) is None
    assert chain([Call(BEGUN, DONE)], BEGUN) == [Call(BEGUN, DONE)]


def test_a_call_that_came_no_further_goes_round_no_circle() -> None:
    assert chain([Call("a", "a"), Call(BEGUN, "a"), Call("a", DONE)], BEGUN) == [Call(BEGUN, "a"), Call("a", DONE)]


def test_the_same_number_of_pages_that_ends_at_another_key_is_another_place() -> None:
    one, other = (VerifySlice(table="source", segment=0, pages=3, cursor={"pk": {"S": name}}) for name in ("a", "b"))
    assert one.place != other.place
    assert VerifySlice(table="source", segment=0).place == VerifySlice(table="source", segment=0).begun_place
    assert one.model_copy(update={"state": "done"}).place == DONE


def stretch(**more: int) -> VerifySlice:
    return VerifySlice(
        table="target",
        segment=3,
        stretch=Stretch(first=0, end=2, listed_most=10),
        lists=Kept(name="lists", bytes=1),
        **more,
    )


def test_a_stretch_goes_step_by_step_and_ends_early_where_it_lists_too_many() -> None:
    begun = stretch()
    assert begun.place == begun.begun_place
    reached = begun.after_look(5, 2).after_step()
    assert (reached.pages, reached.looked, reached.items, reached.listed, reached.state) == (1, 0, 5, 2, "reading")
    assert reached.after_step().state == "done"
    assert not reached.after_step().is_cut
    cut = reached.after_look(8, 8)
    assert (cut.state, cut.is_cut) == ("done", True)


def test_another_round_compares_what_was_cut_and_nothing_else_under_names_of_its_own() -> None:
    one, other = stretch(), stretch().model_copy(update={"segment": 4})
    before = Verification(id="v", stage="suspects", slices=(one, other))
    after = before.settled({"rechecked": 7, "followed": 1}, {one.name})
    assert [found.segment for found in after.slices] == [3]
    assert after.slices[0].name != one.name
    assert (after.verdict, after.stage, after.rechecked, after.followed) == ("suspect", "suspects", 7, 1)
    assert after.id_of_round != before.id_of_round


def test_the_tables_of_a_verification_are_a_list() -> None:
    slices = plan_slices(2, ("source", "target", "target@eu-west-1"))
    assert [found.name for found in slices[:3]] == ["source#0000", "target#0000", "target@eu-west-1#0000"]
    assert len({found.name for found in slices}) == 6
