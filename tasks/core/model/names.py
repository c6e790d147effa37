"""What a migration's deployment is called, as far as its functions have to know."""

from typing import Final

PREFIX: Final = "tableferry-"
"""Of every name."""


def function_name(migration: str, state: str) -> str:
    """Return the name of a state's Lambda function."""
    return f"{PREFIX}{migration}-{state}"
