"""The shape in which a source's item stands at the target: one function, and the three doors that ask it.

`Plan.shape` is a migration's. A page's items pass it in `write_pages`, a change's images in `replicate_changes`, and
what the proof expects to find in `verify_segment` and `recheck`. Whatever a migration changes on the way is a shape;
nothing else may alter an item.
"""

from collections.abc import Callable

from tasks.core.model.item import Item, without_legacy_attributes

Shape = Callable[[Item], Item]
"""Takes a source's item, whole and in typed JSON, and returns the target's. The same item always gives the same."""


def as_it_is(item: Item) -> Item:
    """Return the item itself, without what is never copied."""
    return without_legacy_attributes(item)
