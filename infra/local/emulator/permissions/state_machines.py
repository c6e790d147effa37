"""Lets moto's Step Functions say, in its calls of Lambda, by which role it calls.

It makes them with boto3 in this process, and knows the state machine's role (or the state's own `Credentials`).
"""

import functools
from typing import Any


def name_roles() -> None:
    """Add the role to the User-Agent of moto's calls of Lambda; to be called once moto is imported."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import (  # noqa: PLC0415 — see above
        lambda_eval_utils,
    )

    make = lambda_eval_utils.boto_client_for

    @functools.wraps(make)
    def make_and_name(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 — moto's own
        client = make(*arguments, **named)
        role = getattr(named.get("state_credentials"), "role_arn", "")

        def name(request: Any, **_: object) -> None:  # noqa: ANN401 — botocore's own
            request.headers["User-Agent"] += f" role/{role}".encode()

        if role:
            # Not earlier: botocore writes the header anew shortly before it signs.
            client.meta.events.register("before-send.lambda.Invoke", name)
        return client

    lambda_eval_utils.boto_client_for = make_and_name
