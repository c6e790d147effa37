"""Executions of the state machine itself."""

from tasks.aws.session import clients


def running_before(state_machine_arn: str, execution_arn: str) -> tuple[str, ...]:
    """Return the ARNs of the state machine's running executions that were started before this one.

    Of two that are started together only the later one sees the other, so not both are refused.
    """
    pages = (
        clients.stepfunctions()
        .get_paginator("list_executions")
        .paginate(stateMachineArn=state_machine_arn, statusFilter="RUNNING")
    )
    started = {
        execution["executionArn"]: (execution["startDate"], execution["executionArn"])
        for page in pages
        for execution in page["executions"]
    }
    own = started.pop(execution_arn, None)  # the list may not have it yet: then all others were there before
    return tuple(arn for arn, when in started.items() if own is None or when < own)
