"""How pytest-xdist shares the tests out: migrations under load to one process, one after the other.

Two of them side by side starve each other on two cores. Those of little data bear company.
"""

from xdist.scheduler import LoadScopeScheduling

UNDER_LOAD = frozenset(
    {
        "tests/faults/test_hostile_tables.py",
        "tests/faults/test_migrations_under_faults.py",
        "tests/workflow/test_migration.py",
        "tests/workflow/test_resume.py",
    }
)


class OneMigrationAtATime(LoadScopeScheduling):  # type: ignore[misc] # untyped
    """Files are scopes, and the files of migrations under load together are one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "migrations under load" if file in UNDER_LOAD else file
