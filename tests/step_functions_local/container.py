"""The image of Step Functions Local in a container, by testcontainers.

`STEP_FUNCTIONS_LOCAL_IMAGE` names another image than Amazon's own: `make sfn-image` builds one from what is installed
here, for where Amazon's cannot be pulled.
"""

import gc
import ipaddress
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from docker.errors import APIError, DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.step_functions_local.lambda_forwarder import forwarding

IMAGE_VARIABLE = "STEP_FUNCTIONS_LOCAL_IMAGE"
AMAZONS_IMAGE = "amazon/aws-stepfunctions-local:2.0.0"
"""The last one, of May 2024."""
PORT = 8083
MOCK_FILE_THERE = "/home/StepFunctionsLocal/MockConfigFile.json"
STARTS_WITHIN_SECONDS = 60
ANSWERS_WITHIN_SECONDS = 45.0
"""After it says that it starts, Amazon's hangs up on its callers for some ten seconds."""

# The watchdog is one more image to pull, and has the Docker socket; a `with` block removes our one container.
testcontainers_config.ryuk_disabled = True


class NoContainer(Exception):  # noqa: N818 - it reads as what it says, like the project's other errors
    """Step Functions Local cannot run in a container here; the message says why, and the way out."""


def image_name() -> str:
    """Return the name of the image that the tests run."""
    return os.environ.get(IMAGE_VARIABLE) or AMAZONS_IMAGE


@contextmanager
def container_running(
    lambda_url: str,
    mock_file: Path | None,
    variables: Callable[[str, str | None], Mapping[str, str]],
    client_of: Callable[[str], Any],
) -> Iterator[tuple[str, str]]:
    """Run it while the block runs, and yield the image's name and the address here.

    Args:
        lambda_url: where Lambda is, on this machine.
        mock_file: its mock configuration file.
        variables: makes its environment from Lambda's address and the mock file's path as they are in the container.
        client_of: makes its client.

    Raises:
        NoContainer: there is no Docker, or no image.
    """
    image = image_name()
    bridge = _bridge_address(image)
    with forwarding(lambda_url, bridge) as port:
        container = DockerContainer(image)
        container.with_kwargs(extra_hosts={"host.docker.internal": "host-gateway"})
        # A tuple binds one address of this machine; the types know only the port, which binds all of them.
        container.ports = {f"{PORT}/tcp": ("127.0.0.1",)}  # type: ignore[dict-item]
        container.env.update(
            variables(f"http://host.docker.internal:{port}", None if mock_file is None else MOCK_FILE_THERE)
        )
        if mock_file is not None:
            container.with_copy_into_container(mock_file, MOCK_FILE_THERE)
        container.waiting_for(
            LogMessageWaitStrategy(f"Starting server on port {PORT}")
            .with_startup_timeout(STARTS_WITHIN_SECONDS)
            .with_poll_interval(0.2)
        )
        with container:
            url = f"http://127.0.0.1:{container.get_exposed_port(PORT)}"
            _wait_for_answers(client_of(url), container)
            yield image, url


def _bridge_address(image: str) -> str:
    """Return the address of Docker's bridge on this machine, once the image is here."""
    client = _client(image)
    try:
        _have(client, image)
        (config, *_) = client.networks.get("bridge").attrs["IPAM"]["Config"]
        # Before its first container a daemon names only the network, whose first address it takes.
        return str(config.get("Gateway") or next(ipaddress.ip_network(config["Subnet"]).hosts()))
    except (APIError, ValueError, KeyError) as error:
        raise NoContainer(f"Docker has no bridge network to run {image} in ({error!r})") from error
    finally:
        client.close()


def _client(image: str) -> Any:  # noqa: ANN401 - docker ships no types
    with warnings.catch_warnings():
        # It leaves its socket open when nobody answers.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            # testcontainers' own client, so that it is the same daemon: it knows Docker's contexts too.
            return DockerClient().client
        except DockerException as error:
            why = _first_line(error)
        gc.collect()
    raise NoContainer(f"no Docker daemon answers ({why}); start one to run {image}")


def _have(client: Any, image: str) -> None:  # noqa: ANN401 - docker ships no types
    try:
        client.images.get(image)
    except ImageNotFound:
        try:
            client.images.pull(image)
        except APIError as error:
            raise NoContainer(
                f"image {image} is not here and cannot be pulled ({_first_line(error)}); pull it where that works, or "
                f"run `make sfn-image` and name in {IMAGE_VARIABLE} the image that it builds"
            ) from error


def _wait_for_answers(client: Any, container: DockerContainer) -> None:  # noqa: ANN401 - boto3's
    deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while True:
        try:
            client.list_state_machines()
            return
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                said = b"".join(container.get_logs()).decode("utf-8", "replace")[-2000:]
                raise TimeoutError(f"no answer within {ANSWERS_WITHIN_SECONDS} s: {error}; it said:\n{said}") from error
        time.sleep(0.2)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
