"""What a demonstration leaves behind: nothing, or the evidence of what went wrong."""

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from infra.local.rehearsal.demo import demo


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Callable[[], bool]], int]:
    """Runs a demonstration with another migration than the real one, which has its journal."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(demo, "_KEPT", tmp_path / "kept")
    monkeypatch.setattr(demo, "LocalAwsProcess", lambda **_: nullcontext())

    def run(migrate: Callable[[], bool]) -> int:
        def with_journal(_knobs: demo.Knobs, _aws: None, journal: Path, _console: Console) -> bool:
            journal.write_text("a write", encoding="utf-8")
            return migrate()

        monkeypatch.setattr(demo, "run", with_journal)
        return demo.main()

    return run


def left(tmp_path: Path) -> set[str]:
    return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}


def test_one_that_went_well_leaves_nothing(run_demo: Callable[[Callable[[], bool]], int], tmp_path: Path) -> None:
    assert run_demo(lambda: True) == 0
    assert not left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_is_stopped_leaves_nothing(
    run_demo: Callable[[Callable[[], bool]], int], tmp_path: Path, number: signal.Signals
) -> None:
    def stopped() -> bool:
        signal.raise_signal(number)
        return True

    assert run_demo(stopped) == 130
    assert not left(tmp_path)


def test_one_that_found_a_difference_keeps_the_journal_where_it_says(
    run_demo: Callable[[Callable[[], bool]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_demo(lambda: False) == 1
    assert left(tmp_path) == {"kept/journal.jsonl"}
    assert str(tmp_path / "kept") in capsys.readouterr().out


def test_one_that_broke_off_keeps_the_journal_too(
    run_demo: Callable[[Callable[[], bool]], int], tmp_path: Path
) -> None:
    def broken() -> bool:
        raise ConnectionError("no answer")

    with pytest.raises(ConnectionError):
        run_demo(broken)
    assert left(tmp_path) == {"kept/journal.jsonl"}
