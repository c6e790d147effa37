"""Whatever a batch merges, a late change is applied over the source's own images, and over nothing else."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tasks.core.model.item import Item, KeySchema, canonical, without_legacy_attributes
from tasks.core.replicate.change import parse_changes
from tasks.core.replicate.conflict import LateChange, judge_late_change, last_per_key
from tests.property.typed_json import BOUNDED, values

KEY: Item = {"pk": {"S": "a"}}
images: st.SearchStrategy[Item | None] = st.one_of(st.none(), values.map(lambda content: {**KEY, "content": content}))


@BOUNDED
@given(st.lists(images, min_size=2, max_size=5), images)
def test_a_late_change_never_goes_over_what_the_source_has_not_left(
    history: list[Item | None], present: Item | None
) -> None:
    records = [
        {"dynamodb": {"Keys": KEY, "SequenceNumber": str(number), **_images(old, new)}}
        for number, (old, new) in enumerate(itertools.pairwise(history), start=1)
    ]
    (change,) = last_per_key(parse_changes(records, without_legacy_attributes), KeySchema("pk", "S"))
    *earlier, last = history
    for there in (*history, present):
        expected = LateChange.TARGET_WINS
        if _name(there) == _name(last):
            expected = LateChange.APPLIED
        elif _name(there) in map(_name, earlier):
            expected = LateChange.APPLY
        assert judge_late_change(change, there) is expected


def _images(old: Item | None, new: Item | None) -> dict[str, Item]:
    return {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image is not None}


def _name(image: Item | None) -> bytes | None:
    return None if image is None else canonical(image)
