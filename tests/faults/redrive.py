"""A redrive's equivalent: moto has none of its own.

An execution goes on at the state that failed, with that state's input, as a redrive does. Of a Map that failed all
iterations run again, which a redrive would spare: a harder test, not an easier one.
"""

import json

from tests.workflow.running import Ended, Running


def redrive(running: Running, failed: Ended) -> str:
    """Start the rest of a failed execution, and return the new execution's ARN."""
    assert running.deployment is not None
    described = running.stepfunctions.describe_state_machine(stateMachineArn=running.deployment.state_machine_arn)
    definition = json.loads(described["definition"])
    entered = next(
        event["stateEnteredEventDetails"]
        for event in reversed(failed.events)
        if event.get("stateEnteredEventDetails", {}).get("name") in definition["States"]
    )
    definition["StartAt"] = entered["name"]
    machine = running.stepfunctions.create_state_machine(
        name=f"{running.migration.migration}-from-{entered['name']}-{len(failed.events)}",
        definition=json.dumps(definition),
        roleArn=described["roleArn"],
    )["stateMachineArn"]
    arn: str = running.stepfunctions.start_execution(
        stateMachineArn=machine, name=f"redrive-{len(failed.events)}", input=entered["input"]
    )["executionArn"]
    return arn
