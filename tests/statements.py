"""An INSERT statement as a test wants to look at it."""

import json
from typing import Any

from tasks.aws.dynamodb.target import insert_statement, statements_body
from tasks.core.model.item import Item
from tasks.core.model.item_text import text_of


def insert_of(table: str, item: Item) -> dict[str, Any] | None:
    """Return the statement by which the writer inserts an item, read; `None` where it would be too long."""
    statement = insert_statement(table, text_of(item))
    return None if statement is None else dict(json.loads(statements_body([statement]))["Statements"][0])
