"""A task whose execution is stopped as it begins: its history could not be read again, for ever."""

from types import SimpleNamespace
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.common.timeouts.heartbeat import Heartbeat, HeartbeatSeconds
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import Timeout, TimeoutSeconds

from infra.local.emulator.engines.moto_timeouts import keep_timeouts

INPUT = {"migration": "orders"}


@pytest.mark.parametrize("seconds", [TimeoutSeconds(7), HeartbeatSeconds(7)], ids=["timeout", "heartbeat"])
def test_a_stopped_task_has_its_timeout_in_the_history_and_not_its_input(seconds: Timeout | Heartbeat) -> None:
    ended: Any = SimpleNamespace(stack=[INPUT], is_running=lambda: False)
    keep_timeouts()
    seconds.eval(env=ended)
    assert ended.stack == [INPUT, 7]
