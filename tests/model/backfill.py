"""Pages: scanned, put into Kinesis, delivered late and again, written, with a crash between any two steps."""

import itertools
from collections.abc import Iterator

from tests.model.state import LETTERS, Delivery, Record, Scanner, State, Step, item_name, put_at
from tests.model.world import World

SENTENCES = {
    "put": "Kinesis takes page {} ({})",
    "enter": "the send ledger names page {} ({})",
    "return": "the cursor behind page {} ({}) is returned",
}


def scanner_steps(world: World, state: State) -> Iterator[tuple[Step, State]]:
    """Yield what the scanner may do next: read a page and take its first step, the next step, or crash.

    A page that is read early and put late is one that was read late from a stale copy: no step lies between.
    """
    scanner = state.scanner
    if scanner is None or state.phase != "backfill":
        return
    if scanner.page is not None:
        yield _go_on(world, state, scanner, scanner.page, "")
        yield (
            ("the scanner crashes",),
            state._replace(scanner=scanner._replace(page=None, end=0, step=0)),
        )
        return
    for end, page in world.pages(state, scanner.cursor, scanner.number):
        others = sum(record.number == page.number for record in state.kinesis - {page})
        if not page.items or others < world.bounds.sendings:
            yield _go_on(world, state, scanner._replace(page=page, end=end), page, "a scan reads on, and ")


def _go_on(world: World, state: State, scanner: Scanner, page: Record, before: str) -> tuple[Step, State]:
    name = world.ways.scanner[scanner.step]
    scanner = scanner._replace(step=scanner.step + 1)
    after = state
    if name == "put" and page.items:
        after = after._replace(kinesis=after.kinesis | {page})
    elif name == "enter":
        others = [entry for entry in after.sent if entry[0] != page.number]
        after = after._replace(sent=tuple(sorted([*others, (page.number, page)])))
    elif name == "return":
        scanner = scanner._replace(cursor=scanner.end, number=page.number + 1)
    if scanner.step == len(world.ways.scanner):
        scanner = scanner._replace(page=None, end=0, step=0)
    return (before + SENTENCES[name], page.number, _in_page(page)), after._replace(scanner=scanner)


def _in_page(page: Record) -> str:
    return ", ".join(itertools.starmap(item_name, page.items)) or "empty"


def is_writer_attached(world: World, state: State) -> bool:
    """Whether Kinesis may still call the writer."""
    return state.phase in {"backfill", "detaching"} or not world.ways.closes_door


def writer_steps(world: World, state: State) -> Iterator[tuple[Step, State]]:
    """Yield every delivery that may begin, and of each one under way the next step and a crash."""
    under_way = sorted(state.deliveries)
    if is_writer_attached(world, state) and len(under_way) < world.bounds.writers:
        for record in sorted(state.kinesis):
            if not world.has_receipt(state, record):
                yield (
                    ("page {} ({}) is delivered, and has no receipt", record.number, _in_page(record)),
                    state._replace(deliveries=state.deliveries | {Delivery(record, world.noted(state, record))}),
                )
    for delivery in under_way:
        yield _write(world, state, delivery)
        if world.bounds.notes:
            yield from _note(world, state, delivery)
        yield (
            ("the writer of page {} ({}) crashes", delivery.record.number, _in_page(delivery.record)),
            state._replace(deliveries=state.deliveries - {delivery}),
        )


def _note(world: World, state: State, delivery: Delivery) -> Iterator[tuple[Step, State]]:
    """Yield that the writer's time is over: it notes how many items are dealt with, and ends."""
    record = delivery.record
    done = delivery.step if world.ways.is_note_last else delivery.step + 1
    if 0 < done <= len(record.items):
        others = {note for note in state.noted if note.record != record}
        step: Step = (
            "the writer of page {} ({}) notes that {} are done, and ends",
            record.number,
            _in_page(record),
            done,
        )
        noted = frozenset({*others, Delivery(record, done)})
        yield step, state._replace(deliveries=state.deliveries - {delivery}, noted=noted)


def _write(world: World, state: State, delivery: Delivery) -> tuple[Step, State]:
    record = delivery.record
    steps = len(record.items) + 1
    receipt_step = steps - 1 if world.ways.is_receipt_last else 0
    rest = state.deliveries - {delivery}
    if delivery.step + 1 < steps:
        rest |= {Delivery(record, delivery.step + 1)}
    state = state._replace(deliveries=rest)
    if delivery.step == receipt_step:
        step: Step = ("page {} ({}) gets its receipt", record.number, _in_page(record))
        return step, state._replace(receipts=state.receipts | {record})
    number = delivery.step if world.ways.is_receipt_last else delivery.step - 1
    key, position = record.items[number]
    name = item_name(key, position)
    if world.bounds.refuses and key == world.keys[-1]:
        step = ("the target refuses the page's {}, which is kept as a reject", name)
        return step, state._replace(refused=state.refused | {key})
    if not world.page_wins(state.history, record, number, state.target[key]):
        return ("the page's {} finds {} taken", name, LETTERS[key]), state
    return ("the page puts {}", name), state._replace(target=put_at(state.target, key, position))
