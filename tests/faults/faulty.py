"""Faults as tests ask the local AWS for them."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from infra.local.emulator.client import LocalAwsProcess
from infra.local.emulator.faults.injection import FAULTS_PATH, RESTART_PATH

RuleJson = Mapping[str, Any]

ANSWERS_WITHIN_SECONDS = 10.0
PATIENCE = {"AWS_MAX_ATTEMPTS": "10", "AWS_RETRY_MODE": "standard"}
"""For the SDK of those who look on while the gateway restarts: no fault is meant for them."""


class Faulty:
    """A local AWS whose calls can be made to fail."""

    def __init__(self, aws: LocalAwsProcess) -> None:
        self._url = aws.endpoint_url

    @contextmanager
    def faults(self, owner: str, rules: Sequence[RuleJson]) -> Iterator[None]:
        """Install rules for the time of a block.

        Args:
            owner: Keeps their names apart from those of other owners' rules.
            rules: With names of their own among themselves.
        """
        self._call("POST", FAULTS_PATH, [{**rule, "name": f"{owner}/{rule['name']}"} for rule in rules])
        try:
            yield
        finally:
            self._call("DELETE", f"{FAULTS_PATH}?prefix={quote(owner)}/")

    def fired(self, owner: str) -> dict[str, int]:
        """Return how often each of the owner's rules fired."""
        whose = [(*rule["name"].split("/", 1), rule["fired"]) for rule in self._call("GET", FAULTS_PATH)]
        return {name: fired for by, name, fired in whose if by == owner}

    def restart(self, down_seconds: float) -> None:
        """Restart the gateway; it begins a moment after this returns."""
        self._call("POST", f"{RESTART_PATH}?down_seconds={down_seconds:g}")

    def _call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, method=method)  # noqa: S310 - our own http address
        deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request) as answer:  # noqa: S310 - see above
                    return json.load(answer)
            except urllib.error.HTTPError:
                raise
            except OSError:  # the gateway restarts; another migration may have asked for it
                if method == "POST" or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
