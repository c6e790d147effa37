"""The check at the end of the whole suite can fail."""

import json
from pathlib import Path

from infra.aws.functions.grants import CONTROL, SOURCE
from tests.contract.call_graph import ROOT
from tests.infra.roles_in_use import BY_FAKES_ONLY, allowed, in_use, unused

TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/"
SCANNED = {"action": "dynamodb:Scan", "resource": f"{TABLE}test-1-2-source", "context": {}, "count": 1}
PUT = {"action": "dynamodb:PutItem", "resource": f"{TABLE}tableferry-test-1-2-control", "context": {}, "count": 1}


def test_what_was_needed_counts_for_the_function_and_the_table_it_was_needed_on() -> None:
    used = in_use({"tableferry-test-1-2-ScanSegment": [SCANNED, PUT]})
    assert used == {("ScanSegment", "dynamodb:Scan", SOURCE), ("ScanSegment", "dynamodb:PutItem", CONTROL)}


def test_what_another_function_needed_does_not_count() -> None:
    assert not in_use({"tableferry-test-1-2-PlanSegments": [SCANNED]})
    assert not in_use({"tableferry-test-1-3-ScanSegment": [SCANNED]}), "nor on the table of another migration"
    assert not in_use({"somebody": [SCANNED]})


def test_what_only_fakes_call_is_called_by_the_test_that_is_named() -> None:
    for allowed_one, (file, name) in BY_FAKES_ONLY.items():
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")
        assert allowed_one not in allowed()


def test_a_permission_that_nobody_needs_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(json.dumps({"used": {"tableferry-test-1-2-ScanSegment": [SCANNED]}}))
    told = unused(tmp_path)
    assert len(told) == len(allowed()) - 1
    assert any("the role of ScanSegment allows kinesis:PutRecords" in line for line in told)
    assert not any("ScanSegment allows dynamodb:Scan " in line for line in told)
