"""The timeout of a task that is stopped as it begins.

moto leaves out what is yet to be computed of an execution that has ended, a state's timeout among it, and then writes
into the history whatever lay where the timeout was to be: the state's input. That history cannot be answered any more.
"""


def keep_timeouts() -> None:
    """Let moto know a task's timeout and heartbeat when its execution has ended; to be called once moto is imported."""
    from moto.stepfunctions.parser.asl.component.common.timeouts.heartbeat import Heartbeat  # noqa: PLC0415 — see above
    from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import Timeout  # noqa: PLC0415 — see above

    for duration in (Timeout, Heartbeat):
        # What it skips for an execution that has ended is this; a duration needs nothing else.
        duration.eval = duration._eval_body  # noqa: SLF001 — moto has no other place for it
