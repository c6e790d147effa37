"""The error tree is the module's header: one look tells what can go wrong."""

import inspect
import re

from tasks.core import errors

LINE = re.compile(r"^(?P<bars>[│ ]*)(?:[├└]── )?(?P<name>[A-Z]\w+)")


def drawn_tree() -> dict[str, str]:
    """Return class to parent as the docstring draws them."""
    tree: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").split("\n\n", 1)[1].splitlines():
        drawn = LINE.match(line)
        if drawn is None:
            continue
        depth = 0 if "──" not in line else len(drawn["bars"]) // 4 + 1
        path = [*path[:depth], drawn["name"]]
        tree[drawn["name"]] = path[-2] if depth else "Exception"
    return tree


def test_an_error_that_the_header_does_not_draw_takes_nobody_by_surprise() -> None:
    real = {
        name: found.__bases__[0].__name__
        for name, found in inspect.getmembers(errors, inspect.isclass)
        if found.__module__ == errors.__name__
    }
    assert drawn_tree() == real


def test_no_error_is_silent_about_its_meaning() -> None:
    for name, found in inspect.getmembers(errors, inspect.isclass):
        assert found.__doc__, name
