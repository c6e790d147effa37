"""`python -m workflow`: plan a migration, start its execution, watch it, answer its question.

Exit codes: 0 if the execution succeeded, runs, or was answered; 1 if it failed; 2 if the command was refused.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import boto3
import typer
from rich.console import Console
from rich.live import Live

from tasks.core.errors import TableferryError
from tasks.core.run.course import course_of
from tasks.core.run.phases import Standing
from workflow import execution
from workflow.compared import parse_plan_file
from workflow.machine import Machine
from workflow.map_runs import read_map_runs
from workflow.plan_view import plan_view
from workflow.planning import read_outlook, read_prices, subject_deployed, subject_of_file
from workflow.reading import read_status
from workflow.refusals import CommandRefused, in_words
from workflow.report import read_report
from workflow.report_view import report_view
from workflow.resume import go_on, look_ahead
from workflow.status import Status, status_line
from workflow.tables import history_view, prospect_view, status_view
from workflow.throttle import IN_FORCE_SECONDS, apply, paused, throttled, unpaused
from workflow.waits import calls_a_minute_of_waiting

EXIT_FAILED, EXIT_REFUSED = 1, 2
SAY_AGAIN_SECONDS = 10.0
SAMPLE_PAGES = 4
"""Of 1 MB each at most: some 500 read units."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Plan a migration, start its execution, watch it, and answer its question.",
)

MachineOption = Annotated[
    str | None, typer.Option("--state-machine", metavar="ARN", help="The migration's state machine.")
]
MigrationOption = Annotated[
    str | None, typer.Option("--migration", metavar="NAME", help="The migration, where several are deployed.")
]
RegionOption = Annotated[str | None, typer.Option("--region", help="Where to look for the migration.")]
ExecutionArgument = Annotated[
    str | None,
    typer.Argument(metavar="[EXECUTION_ARN]", help="By default the running execution, or the newest one."),
]


@app.command()
def plan(  # noqa: PLR0913 — each is an option of the command line
    settings: Annotated[
        Path | None, typer.Option("--settings", help="A settings file, before anything is deployed.")
    ] = None,
    *,
    execution_input: Annotated[
        str, typer.Option("--input", metavar="JSON", help="Overrides as a JSON object, or @FILE.")
    ] = "{}",
    sample_pages: Annotated[int, typer.Option(min=0, max=1000, help="Pages of the source to look at.")] = SAMPLE_PAGES,
    writes_per_second: Annotated[
        float | None, typer.Option(min=0, help="Items of the source that users write; by default CloudWatch is asked.")
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="A list of other prices, in JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it for a program.")] = False,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Say what a run would take: how long, what bounds it, the bill, the risks, other ways. Nothing is changed."""
    checked = execution.check_input(_text_of(execution_input))
    listed = read_prices(prices)
    session = _session(region)
    if settings is not None:
        subject = subject_of_file(settings, checked)
    else:
        machine = execution.find_machine(session, state_machine=state_machine, migration=migration, region=region)
        subject = subject_deployed(session, machine, checked)
    seen = read_outlook(session, subject, pages=sample_pages, writes_per_second=writes_per_second, prices=listed)
    if as_json:
        waits = {state: one._asdict() for state, one in calls_a_minute_of_waiting().items()}
        typer.echo(json.dumps({**seen.as_json(), "calls_a_minute_of_waiting": waits}, indent=2))
        return
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(plan_view(seen))


@app.command()
def report(
    execution_arns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXECUTION_ARN]...",
            help="By default the running execution, or the newest one; of a resumed run each of its executions.",
        ),
    ] = None,
    *,
    plan_file: Annotated[
        Path, typer.Option("--plan", metavar="FILE", help="What `plan --json` printed before the run.")
    ],
    prices: Annotated[Path | None, typer.Option(help="The list of prices that the plan was made with.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it for a program.")] = False,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Compare what a plan predicted with what the run took: counts, times, money."""
    predicted, listed = parse_plan_file(plan_file), read_prices(prices)
    session, arn = _named(execution_arns[0] if execution_arns else None, state_machine, migration, region)
    found = read_report(session, execution_arns or [arn], predicted, listed)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
        return
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(report_view(found))


@app.command()
def start(
    execution_input: Annotated[
        str, typer.Option("--input", metavar="JSON", help="Overrides as a JSON object, or @FILE.")
    ] = "{}",
    name: Annotated[str | None, typer.Option(help="The execution's name; by default the time.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(metavar="USD", help="Refuse a run that costs more by its plan (max_cost_usd).")
    ] = None,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Start an execution: with the settings that are deployed, or with some of them overridden."""
    checked = execution.check_input(_text_of(execution_input))
    if max_cost is not None:
        checked = execution.with_max_cost(checked, max_cost)
    execution.check_name(name)
    session = _session(region)
    machine = execution.find_machine(session, state_machine=state_machine, migration=migration, region=region)
    execution.check_nothing_runs(session, machine)
    arn = execution.start(session, machine, checked, name)
    typer.echo(arn)
    typer.echo(f"Watch it: python -m workflow status {arn} --watch", err=True)


@app.command()
def status(
    execution_arn: ExecutionArgument = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Until the execution is over.")] = False,
    every: Annotated[float, typer.Option(metavar="SECONDS", min=0.2, help="Between two readings.")] = 1.0,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Say where an execution stands."""
    session, arn = _named(execution_arn, state_machine, migration, region)
    console = Console(highlight=False)

    def read(previous: Status | None) -> Status:
        return read_status(arn, previous, session=session)

    now = _watch(read, console, every) if watch else read(None)
    if not watch:
        console.print(status_view(now) if console.is_terminal else status_line(now), soft_wrap=True, markup=False)
    raise typer.Exit(_exit_code(now.state))


@app.command()
def history(
    execution_arn: ExecutionArgument = None,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Print an execution's phases, and segments that did not end well."""
    session, arn = _named(execution_arn, state_machine, migration, region)
    events = execution.read_events(session, arn).all
    map_runs = read_map_runs(session, arn, course_of(events))
    course = course_of(events, map_runs.runs)
    # Reasons are long: a terminal wraps them, a file or a pipe gets them whole.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=1000)
    console.print(arn, style="bold", soft_wrap=True)
    console.print(history_view(course))
    raise typer.Exit(_exit_code(course.state))


@app.command()
def resume(
    execution_arn: ExecutionArgument = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    overrides: Annotated[
        str, typer.Option("--input", metavar="JSON", help="Settings to change, as a JSON object, or @FILE.")
    ] = "{}",
    name: Annotated[str | None, typer.Option(help="A new execution's name; by default the time.")] = None,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Go on with an execution that failed, was stopped or timed out: by a redrive where that is possible."""
    checked = execution.check_input(_text_of(overrides))
    execution.check_name(name)
    session, arn = _named(execution_arn, state_machine, migration, region)
    prospect = look_ahead(session, arn, checked)
    Console(highlight=False, stderr=True, width=None if sys.stderr.isatty() else 200).print(prospect_view(prospect))
    _ask_whether_to_go_on(yes=yes)
    going_on = go_on(session, prospect, name)
    typer.echo(going_on)
    typer.echo(f"Watch it: python -m workflow status {going_on} --watch", err=True)


@app.command()
def approve(
    execution_arn: ExecutionArgument = None,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Answer the question whether to cut over with yes."""
    session, arn = _named(execution_arn, state_machine, migration, region)
    proof, to_move = execution.approve(session, arn)
    typer.echo(f"approved the cut-over of {arn}")
    for thing in to_move:
        typer.echo(f"to be moved or made anew by its owner: {thing}")
    if proof is not None:
        typer.echo(
            f"proven {proof.verdict}: {proof.source_items} items at the source, {proof.target_items} at the target, "
            + "".join(f"{items} in {region}, " for region, items in proof.replica_items.items())
            + f"{proof.rechecked} keys read again, {proof.followed} that change too fast to be compared"
        )


@app.command()
def deny(
    execution_arn: ExecutionArgument = None,
    reason: Annotated[str, typer.Option(help="Goes into the execution's history.")] = "an operator said no",
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Answer the question whether to cut over with no: the execution fails there, and a redrive asks again."""
    session, arn = _named(execution_arn, state_machine, migration, region)
    execution.deny(session, arn, reason)
    typer.echo(f"denied the cut-over of {arn}; nothing was cut over, and changes are still replicated")


@app.command()
def throttle(
    execution_arn: ExecutionArgument = None,
    *,
    read_units: Annotated[
        str | None, typer.Option(metavar="N", help="Read units a second of either table, or none for no cap.")
    ] = None,
    write_units: Annotated[
        str | None, typer.Option(metavar="N", help="Write units a second of the target, or none for no cap.")
    ] = None,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Cap what scan, proof and pages take while the migration runs; changes are replicated as fast as they come."""
    change = throttled(read_units, write_units)
    session, arn = _named(execution_arn, state_machine, migration, region)
    now = apply(session, arn, change)
    typer.echo(f"{now.in_words() or 'no cap'}; in force within {IN_FORCE_SECONDS} s")


@app.command()
def pause(
    execution_arn: ExecutionArgument = None,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Let scan, proof and pages rest; changes are still replicated, and the stream of pages keeps pages for days."""
    session, arn = _named(execution_arn, state_machine, migration, region)
    apply(session, arn, paused)
    typer.echo(f"paused {arn}: scan, proof and pages rest within {IN_FORCE_SECONDS} s; changes are still replicated")
    typer.echo("Let it go on: python -m workflow unpause", err=True)


@app.command()
def unpause(
    execution_arn: ExecutionArgument = None,
    state_machine: MachineOption = None,
    migration: MigrationOption = None,
    region: RegionOption = None,
) -> None:
    """Let a paused migration go on, under the caps that it had."""
    session, arn = _named(execution_arn, state_machine, migration, region)
    now = apply(session, arn, unpaused)
    typer.echo(f"{arn} goes on within {IN_FORCE_SECONDS} s{', ' + caps if (caps := now.in_words()) else ''}")


def main() -> int:
    """Run the command line and return the exit code."""
    try:
        app(prog_name="python -m workflow")
    except (CommandRefused, TableferryError) as refused:  # the latter where what was read is not as it should be
        typer.echo(f"refused: {refused}", err=True)
        return EXIT_REFUSED
    return 0


def _named(
    execution_arn: str | None, state_machine: str | None, migration: str | None, region: str | None
) -> tuple[boto3.Session, str]:
    """Return the session, and the ARN of the execution that is meant.

    Raises:
        CommandRefused: it cannot be found.
    """
    session = _session(region)
    if execution_arn is not None:
        Machine.of_execution(execution_arn)
        return session, execution_arn
    machine = execution.find_machine(session, state_machine=state_machine, migration=migration, region=region)
    return session, execution.latest_execution(session, machine)


def _ask_whether_to_go_on(*, yes: bool) -> None:
    """Ask, unless that was answered beforehand.

    Raises:
        CommandRefused: the answer was no, or there was nobody to answer.
    """
    try:
        if not yes and not typer.confirm("Go on?", err=True):
            raise CommandRefused("nothing was started: the answer was no")
    except typer.Abort:
        raise CommandRefused("nothing was started: nobody answered; give --yes to go on without the question") from None


def _session(region: str | None) -> boto3.Session:
    with in_words("setting up the AWS SDK"):
        return boto3.Session(region_name=region)


def _watch(read: Callable[[Status | None], Status], console: Console, every_seconds: float) -> Status:
    """Show each reading until the execution is over, or Ctrl-C, which leaves the execution alone."""
    now = read(None)
    with _shown(console) as show, suppress(KeyboardInterrupt):
        show(now)
        while not now.state.is_over:
            time.sleep(every_seconds)
            now = read(now)
            show(now)
    return now


@contextmanager
def _shown(console: Console) -> Iterator[Callable[[Status], None]]:
    """Yield what shows a reading: redrawn in place, or off a terminal a line for each change of phase or state."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda status: live.update(status_view(status), refresh=True)
        return
    spoken: tuple[object, ...] = ()
    spoken_at = 0.0

    def show(status: Status) -> None:
        nonlocal spoken, spoken_at
        standing = (status.state, status.phase.name if status.phase else "")
        if standing != spoken or time.monotonic() - spoken_at >= SAY_AGAIN_SECONDS:
            console.print(status_line(status), soft_wrap=True, markup=False)
            spoken, spoken_at = standing, time.monotonic()

    yield show


def _exit_code(state: Standing) -> int:
    return EXIT_FAILED if state in {Standing.FAILED, Standing.TIMED_OUT, Standing.ABORTED} else 0


def _text_of(given: str) -> str:
    """Return the input itself, or that of the file it names.

    Raises:
        CommandRefused: the file cannot be read.
    """
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CommandRefused(f"the input file {given[1:]!r} cannot be read ({error}); correct its path") from None
