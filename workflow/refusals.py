"""Why a command is not carried out, in words: what was being done, why it failed, and the way out."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 — botocore's own name
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from tasks.core.errors import AwsUnavailable

_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    SSOError,
    TokenRetrievalError,
)
_CREDENTIAL_CODES = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_WAYS_OUT = {
    "AccessDenied": "have that permission granted, or use a role that has it",
    "AccessDeniedException": "have that permission granted, or use a role that has it",
    "ExecutionAlreadyExists": "an execution's name is used once in 90 days: leave --name out, or give another",
    "ExecutionDoesNotExist": "look for its ARN in the console: Region, account and name must be right, and executions "
    "are forgotten 90 days after their end",
    "ExecutionLimitExceeded": "stop executions that nobody needs, or have the quota raised",
    "InvalidArn": "copy the whole ARN from the console",
    "InvalidToken": "the question was answered or taken back meanwhile: look at `python -m workflow status`",
    "ResourceNotFoundException": "are the credentials of the account, and is the Region the one, that the migration "
    "is deployed in?",
    "StateMachineDoesNotExist": "copy its ARN from the console; Region and account must be right",
    "TaskDoesNotExist": "the question was answered meanwhile: look at `python -m workflow status`",
    "TaskTimedOut": "the question was taken back after its timeout or an answer: look at `python -m workflow status`",
}


class CommandRefused(Exception):  # noqa: N818 — it reads as what it says, like the project's other errors
    """A command is not carried out. The message says why, and what to do instead.

    No function raises it and no state matches it: it is the command line's own. `Refused` is an execution's, and says
    that nothing was changed.
    """


@contextmanager
def in_words(doing: str) -> Iterator[None]:
    """Turn errors of boto3 and of AWS, and tries that are used up, into `CommandRefused`.

    Args:
        doing: what is being done, as "reading execution …".

    Raises:
        CommandRefused: with the reason and the way out.
    """
    try:
        yield
    except ClientError as error:
        raise CommandRefused(f"{doing}: {_answer_in_words(error)}") from error
    except NoRegionError as error:
        raise CommandRefused(f"{doing}: no Region is set; give --region, or set AWS_DEFAULT_REGION") from error
    except ProfileNotFound as error:
        raise CommandRefused(f"{doing}: {error}; correct AWS_PROFILE, or unset it") from error
    except _NO_CREDENTIALS as error:
        raise CommandRefused(
            f"{doing}: there are no usable AWS credentials ({error}); set AWS_PROFILE, or sign in again"
        ) from error
    except (ConnectionError, HTTPClientError) as error:
        raise CommandRefused(f"{doing}: {error}; is the Region's name right, and is the network there?") from error
    except (BotoCoreError, AwsUnavailable) as error:
        raise CommandRefused(f"{doing}: {error}") from error


def _answer_in_words(error: ClientError) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "").rstrip(".")
    if code in _CREDENTIAL_CODES:
        return f"AWS does not accept the credentials ({code}: {message}); set AWS_PROFILE, or sign in again"
    way_out = _WAYS_OUT.get(code, "try again; if it stays, the AWS Health Dashboard or the message has the reason")
    return f"{code}: {message}; {way_out}"
