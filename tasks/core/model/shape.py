"""The shape in which a source's item stands at the target: one function, and the three doors that ask it.

`Plan.shape` is a migration's. A page's items pass it in `write_pages`, a change's images in `replicate_changes`, and
what the proof expects to find in `verify_segment` and `recheck`. Whatever a migration changes on the way is a shape;
nothing else may alter an item.
"""

from typing import Protocol

from tasks.core.model.item import ValueT, without_legacy_attributes


class Shape(Protocol):
    """Takes a source's item and returns the target's. The same item always gives the same.

    It may choose attributes by their names, and looks at no value: the writer's items have theirs as text.
    """

    def __call__(self, item: dict[str, ValueT], /) -> dict[str, ValueT]:
        """Return the item in its shape."""


def as_it_is(item: dict[str, ValueT]) -> dict[str, ValueT]:
    """Return the item itself, without what is never copied."""
    return without_legacy_attributes(item)
