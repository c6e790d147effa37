"""A Lambda function as the API knows it: its settings, its name's many forms, its unzipped code."""

import base64
import hashlib
import io
import re
import shutil
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from infra.local.emulator.lambdas.lambda_errors import invalid_value

_NAME: Final = re.compile(
    r"(?:(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:\d{12}:)?function:|\d{12}:)?"
    r"(?P<name>[a-zA-Z0-9-_]{1,64})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?",
)
# AWS refuses these in a function's Environment.
_RESERVED_VARIABLES: Final = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    },
)
_TIMEOUT_SECONDS: Final = (1, 900)
_MEMORY_MB: Final = (128, 10_240)
_ENVIRONMENT_BYTES: Final = 4_096


@dataclass(frozen=True)
class LambdaFunction:
    """One function at one revision. A change of code or settings makes a new one.

    Attributes:
        code_folder: the unzipped code; None until there is some.
        environment: the function's own variables.
        revision_id: anew with every change.
        last_modified: ISO 8601, as Lambda writes it.
    """

    name: str
    region: str
    account: str
    handler: str
    runtime: str
    role: str
    description: str = ""
    timeout_seconds: int = 3
    memory_mb: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    code_folder: Path | None = None
    code_sha256: str = ""
    code_bytes: int = 0
    revision_id: str = ""
    last_modified: str = ""

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    def configuration(self) -> dict[str, Any]:
        """Return AWS's FunctionConfiguration."""
        return {
            "FunctionName": self.name,
            "FunctionArn": self.arn,
            "Runtime": self.runtime,
            "Role": self.role,
            "Handler": self.handler,
            "CodeSize": self.code_bytes,
            "CodeSha256": self.code_sha256,
            "Description": self.description,
            "Timeout": self.timeout_seconds,
            "MemorySize": self.memory_mb,
            "LastModified": self.last_modified,
            "Version": "$LATEST",
            "Environment": {"Variables": dict(self.environment)},
            "TracingConfig": {"Mode": "PassThrough"},
            "RevisionId": self.revision_id,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.name}"},
        }


def parse_function_name(text: str, region: str) -> tuple[str, str]:
    """Return (region, name) of a function's name, partial ARN or ARN, qualified or not.

    Args:
        text: what the caller calls the function.
        region: the region to use where the text names none.

    Raises:
        LambdaApiError: the text is no function name, or names a version other than $LATEST.
    """
    match = _NAME.fullmatch(text)
    if not match:
        raise invalid_value(f"Value '{text}' at 'functionName' failed to satisfy constraint: it is no function name")
    if match["qualifier"] not in (None, "$LATEST"):
        raise invalid_value(f"'{text}' names a version or alias; the local Lambda keeps only $LATEST")
    return match["region"] or region, match["name"]


def with_settings(function: LambdaFunction, request: Mapping[str, Any]) -> LambdaFunction:
    """Return the function with the settings that the request names, checked, as a new revision.

    Args:
        function: what is changed.
        request: members of CreateFunction or UpdateFunctionConfiguration; absent members stay as they are.

    Raises:
        LambdaApiError: a value is out of its range.
    """
    timeout = _whole(request, "Timeout", function.timeout_seconds, _TIMEOUT_SECONDS)
    memory = _whole(request, "MemorySize", function.memory_mb, _MEMORY_MB)
    changed = replace(
        function,
        handler=request.get("Handler", function.handler),
        runtime=request.get("Runtime", function.runtime),
        role=request.get("Role", function.role),
        description=request.get("Description", function.description),
        timeout_seconds=timeout,
        memory_mb=memory,
    )
    if "Environment" in request:
        changed = replace(changed, environment=_environment(request["Environment"]))
    return _revised(changed)


def with_code(function: LambdaFunction, zip_bytes: bytes, code_root: Path) -> LambdaFunction:
    """Unzip the code and return the function with it, as a new revision.

    Args:
        function: the one before.
        zip_bytes: the new code.
        code_root: where packages have a folder each.

    Raises:
        LambdaApiError: the bytes are no zip.
    """
    digest = hashlib.sha256(zip_bytes)
    # Functions with the same package share it: it is unzipped once, and compiled once by their workers.
    folder = code_root / digest.hexdigest()
    if not folder.exists():
        _unzip(zip_bytes, folder)
    code_sha256 = base64.b64encode(digest.digest()).decode()
    return _revised(replace(function, code_folder=folder, code_sha256=code_sha256, code_bytes=len(zip_bytes)))


def _unzip(zip_bytes: bytes, folder: Path) -> None:
    # A half-written folder of a refused upload must not pass for the whole one.
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with zipfile.ZipFile(io.BytesIO(zip_bytes)) as archive:
            archive.extractall(partial)
    except zipfile.BadZipFile as error:
        raise invalid_value(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from error
    partial.rename(folder)


def _revised(function: LambdaFunction) -> LambdaFunction:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
    return replace(function, revision_id=str(uuid.uuid4()), last_modified=now)


def _whole(request: Mapping[str, Any], name: str, default: int, limits: tuple[int, int]) -> int:
    value = request.get(name, default)
    low, high = limits
    if not isinstance(value, int) or not low <= value <= high:
        raise invalid_value(f"Value '{value}' at '{name}' failed to satisfy constraint: between {low} and {high}")
    return value


def _environment(request: Mapping[str, Any]) -> dict[str, str]:
    variables: dict[str, str] = dict(request.get("Variables", {}))
    reserved = sorted(_RESERVED_VARIABLES & variables.keys())
    if reserved:
        raise invalid_value(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
            f"this request: {', '.join(reserved)}",
        )
    if sum(len(key.encode()) + len(value.encode()) for key, value in variables.items()) > _ENVIRONMENT_BYTES:
        raise invalid_value("Lambda was unable to configure your environment variables: they exceed the 4KB limit.")
    return variables
