"""What a guard is to those that list them, and to those that take them away."""

import ast
from dataclasses import dataclass
from pathlib import Path

from tests.guards.place import Code, GuardLostError, find_place
from tests.guards.ways import Way


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard.

    Attributes:
        without: What happens once it is gone.
        at: Where it stands, as `find_place` takes it: `route.breaches`.
        by: How it is taken away.
    """

    without: str
    at: str
    by: Way

    def taken_away(self, root: Path) -> tuple[Path, str]:
        """Return the file that it stands in and that file's source without it.

        Args:
            root: of the project, or of a copy.

        Raises:
            GuardLostError: it is not where the list says, or what is left is the same.
        """
        file, name = find_place(root, self.at)
        source = file.read_text(encoding="utf-8")
        try:
            without = self.by.taken_away(Code(source, name))
        except GuardLostError as lost:
            raise GuardLostError(f"{self.without}: {lost} ({file.relative_to(root)})") from None
        if ast.dump(ast.parse(without)) == ast.dump(ast.parse(source)):
            raise GuardLostError(f"{self.without}: nothing is taken away of {self.at} ({file.relative_to(root)})")
        return file, without
