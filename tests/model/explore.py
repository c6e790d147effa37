"""A long exploration, by hand: `python -m tests.model.explore --more 1`.

It explores what the tests explore, with more writes to the source in each exploration, and says what it found; of the
negative controls it prints every trace, one step a line. One write more takes many minutes: each multiplies the states.
"""

import argparse
import sys

from tests.model.controls import CONTROLS, RELIED_ON
from tests.model.exploration import explore
from tests.model.explorations import EXPLORATIONS
from tests.model.route_controls import ROUTE_CONTROLS, ROUTE_RELIED_ON


def main(arguments: list[str]) -> int:
    """Return 0 if the product holds and each control is caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.model.explore", description=__doc__)
    parser.add_argument("--more", type=int, default=1, metavar="N", help="so many writes more than in the tests")
    parser.add_argument("--only", default="", metavar="WORDS", help="only explorations with these words in their name")
    options = parser.parse_args(arguments)
    is_wrong = False
    for exploration in EXPLORATIONS:
        if options.only not in exploration.name:
            continue
        found = explore(exploration.larger_by(options.more).bounds)
        say(found.in_one_line(exploration.name))
        if found.wrong is not None:
            is_wrong = True
            say(found.trace_in_words())
    for control in (*CONTROLS, *RELIED_ON, *ROUTE_CONTROLS, *ROUTE_RELIED_ON):
        if options.only not in control.name:
            continue
        found = explore(control.bounds, control.ways)
        say(f"\n{found.in_one_line(control.name)}\n{found.trace_in_words()}")
        is_wrong = is_wrong or found.wrong is None
    return int(is_wrong)


def say(line: str) -> None:
    """Print a line at once: an exploration may take minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
