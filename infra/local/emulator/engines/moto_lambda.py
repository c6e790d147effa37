"""What Step Functions says when it cannot reach Lambda.

AWS names it `Lambda.SdkClientException`, which a Retry can match; moto names it `States.Runtime`, which ends the
execution. It matters only where connections are cut on purpose.
"""

import functools
from typing import Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 — botocore's own name


def name_lost_connections() -> None:
    """Let moto's Step Functions name a lost connection to Lambda as AWS does; to be called once moto is imported."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import (  # noqa: PLC0415 — see above
        lambda_eval_utils,
    )

    invoke = lambda_eval_utils.execute_lambda_function_integration

    @functools.wraps(invoke)
    def invoke_or_name(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 — moto's own
        try:
            return invoke(*arguments, **named)
        except (ConnectionError, HTTPClientError) as error:
            answer: Any = {
                "Error": {"Code": "SdkClientException", "Message": f"Unable to execute HTTP request: {error!r}"},
                "ResponseMetadata": {"HTTPStatusCode": 0, "RequestId": "null"},
            }
            raise ClientError(answer, "Invoke") from error

    lambda_eval_utils.execute_lambda_function_integration = invoke_or_name
