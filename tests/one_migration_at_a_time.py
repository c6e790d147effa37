"""How pytest-xdist shares the tests out: whole migrations to one process, one after the other.

Two of them side by side starve each other on two cores.
"""

from xdist.scheduler import LoadScopeScheduling

WHOLE_MIGRATIONS = frozenset(
    {
        "tests/faults/test_hostile_tables.py",
        "tests/faults/test_migrations_under_faults.py",
        "tests/infra/test_destroy.py",
        "tests/local/test_playground.py",
        "tests/step_functions_local/test_whole_migration.py",
        "tests/workflow/test_cli.py",
        "tests/workflow/test_migration.py",
        "tests/workflow/test_resume.py",
    }
)


class OneMigrationAtATime(LoadScopeScheduling):  # type: ignore[misc] # untyped
    """Files are scopes, and the files of whole migrations together are one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "whole migrations" if file in WHOLE_MIGRATIONS else file
