"""The state machine of a deployed migration, and the names of all that is deployed with it."""

import re
from dataclasses import dataclass

from tasks.core.model.names import PREFIX, function_name
from workflow.refusals import CommandRefused

MACHINE_PREFIX = PREFIX
_MACHINE_ARN = re.compile(r"arn:aws[\w-]*:states:(?P<region>[\w-]+):\d{12}:stateMachine:(?P<name>[\w-]+)")
_EXECUTION_ARN = re.compile(
    r"(?P<head>arn:aws[\w-]*:states:[\w-]+:\d{12}):execution:(?P<machine>[\w-]+)(?P<label>/[^:]+)?:(?P<name>[^:]+)"
)


@dataclass(frozen=True, slots=True)
class Names:
    """What the parts of a migration's deployment are called."""

    migration: str

    @property
    def state_machine(self) -> str:
        """The state machine."""
        return f"{MACHINE_PREFIX}{self.migration}"

    @property
    def control_table(self) -> str:
        """The DynamoDB table with all of the migration's durable knowledge."""
        return f"{self.state_machine}-control"

    @property
    def pages_stream(self) -> str:
        """The Kinesis stream that carries pages."""
        return f"{self.state_machine}-pages"

    def function(self, state: str) -> str:
        """Return the name of a state's Lambda function."""
        return function_name(self.migration, state)


@dataclass(frozen=True, slots=True)
class Machine:
    """A migration's state machine; every other name of the deployment that an operator needs follows from its ARN."""

    arn: str

    @classmethod
    def of(cls, arn: str) -> "Machine":
        """Take a state machine's ARN.

        Raises:
            CommandRefused: it is none, or none of a migration.
        """
        found = _MACHINE_ARN.fullmatch(arn)
        if found is None:
            raise CommandRefused(
                f"{arn!r} is no state machine's ARN; it looks like "
                "arn:aws:states:eu-west-1:123456789012:stateMachine:tableferry-orders"
            )
        if not found["name"].startswith(MACHINE_PREFIX):
            raise CommandRefused(
                f"the state machine {found['name']} is not one of tableferry's, whose names begin with "
                f"{MACHINE_PREFIX!r}; give the ARN of a migration's own"
            )
        return cls(arn)

    @classmethod
    def of_execution(cls, execution_arn: str) -> "Machine":
        """Take an execution's ARN and return its state machine.

        Raises:
            CommandRefused: it is none, or that of a Map's child, or none of a migration.
        """
        found = _EXECUTION_ARN.fullmatch(execution_arn)
        if found is None:
            raise CommandRefused(
                f"{execution_arn!r} is no execution's ARN; it looks like "
                "arn:aws:states:eu-west-1:123456789012:execution:tableferry-orders:2026-01-31"
            )
        if found["label"]:
            raise CommandRefused(
                f"{execution_arn} is one child of the Map {found['label'][1:]}; "
                "give the ARN of the execution that it belongs to"
            )
        return cls.of(f"{found['head']}:stateMachine:{found['machine']}")

    @property
    def region(self) -> str:
        """Where it is."""
        return self.arn.split(":")[3]

    @property
    def name(self) -> str:
        """`tableferry-<migration>`."""
        return self.arn.split(":")[6]

    @property
    def migration(self) -> str:
        """The migration's name."""
        return self.name.removeprefix(MACHINE_PREFIX)

    @property
    def control_table(self) -> str:
        """The control table's name."""
        return Names(self.migration).control_table
