"""A table as a value: everything that a call to it needs, and nothing of what it is like at the moment."""

from pydantic import BaseModel, ConfigDict

from tasks.core.model.item import KeySchema


class TableAddress(BaseModel):
    """Where to find a table of which no more is known, or needs to be: as much as a client is made for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    region: str


class TableRef(TableAddress):
    """A table, wherever it is. Source and target are two of these, and nothing else says which table is meant."""

    account: str
    """12 digits."""
    key: KeySchema
    id: str | None = None
    """Its TableId, which no other table ever gets; `None` as long as it is still to be made."""
