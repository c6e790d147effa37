"""What EventBridge did not take is not taken for sent."""

from types import SimpleNamespace

import pytest

from tasks.aws.run import pointer
from tasks.aws.session import clients
from tasks.core.errors import AwsUnavailable


def test_an_event_that_the_bus_did_not_take_is_not_taken_for_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(
        [
            {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]},
            {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]},
        ]
    )
    monkeypatch.setattr(clients, "events", lambda: SimpleNamespace(put_events=lambda **_: next(answers)))
    with pytest.raises(AwsUnavailable, match="did not take the event 'Cut-over Done': ThrottlingException"):
        pointer.put_event("Cut-over Done", {})
    pointer.put_event("Cut-over Done", {})
