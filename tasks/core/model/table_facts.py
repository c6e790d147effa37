"""What DynamoDB says of a table, as far as it matters here."""

from dataclasses import dataclass

from tasks.core.model.item import LEGACY_REPLICATION_PREFIX, KeySchema


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index."""

    name: str
    key_names: tuple[str, ...]
    """Its key attributes, in their order."""
    key_kinds: tuple[str, ...] = ()
    """Of each of them its role and type, such as `HASH S`."""
    is_global: bool = True
    """A local index is there from its table's birth, and cannot be added later."""
    is_vector: bool = False
    """Whether it finds items by how near their vectors are. Its key names are the vector's attribute and those that it
    is divided and filtered by. The target is not made with such an index."""
    status: str = "ACTIVE"
    projection: tuple[str, ...] = ("ALL",)
    """The projection's type, and the attributes that it includes in the order of their names."""
    read_units: int | None = None
    """As of its table. `None` for a local index too, which uses the table's; so the next three."""
    write_units: int | None = None
    warm_read_units: int | None = None
    warm_write_units: int | None = None
    item_count: int = 0
    size_bytes: int = 0
    """Both as old as those of its table."""

    @property
    def can_be_copied(self) -> bool:
        """Whether there is any use in making the target with it.

        One that is on its way out has none, nor has one over attributes that are never copied: it would be empty.
        """
        is_legacy = any(name.startswith(LEGACY_REPLICATION_PREFIX) for name in self.key_names)
        return self.status != "DELETING" and not is_legacy

    def in_full(self) -> str:
        """Name it, and say what it is."""
        return f"{self.name} ({self.in_words()})"

    def in_words(self) -> str:
        """Say what it is over, and what it holds."""
        kind = "vector" if self.is_vector else "global" if self.is_global else "local"
        kinds = self.key_kinds or [""] * len(self.key_names)
        keys = " and ".join(f"{name} {kind}".rstrip() for name, kind in zip(self.key_names, kinds, strict=True))
        return f"{kind}, by {keys}, with {' '.join(self.projection)}"

    def serves_as(self, other: "Index") -> bool:
        """Whether every query by the other index finds the same by this one, and as much of each item or more."""
        kinds = [(one.key_names, one.key_kinds, one.is_global, one.is_vector) for one in (self, other)]
        return kinds[0] == kinds[1] and self._holds_all_of(other)

    def _holds_all_of(self, other: "Index") -> bool:
        (own, *own_names), (others, *names) = self.projection, other.projection
        if own == "ALL" or others == "KEYS_ONLY":
            return True
        return own == others == "INCLUDE" and set(names) <= set(own_names)


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table."""

    name: str
    id: str
    """Its TableId, which no other table ever gets."""
    arn: str
    status: str
    key: KeySchema
    item_count: int
    """DynamoDB counts every six hours; 0 for a new table."""
    size_bytes: int
    stream_arn: str | None = None
    """`None` without an enabled stream."""
    stream_view_type: str | None = None
    replica_regions: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    read_units: int | None = None
    """What it gives a second: provisioned, or set as the most of a table on demand. `None`: neither."""
    write_units: int | None = None
    """What it takes a second, in the same way."""
    warm_read_units: int | None = None
    """What it gives a second at once; `None` where DynamoDB does not say."""
    warm_write_units: int | None = None
    """What it takes a second at once, in the same way."""
    is_provisioned: bool = False
    table_class: str = "STANDARD"
    is_protected: bool = False
    """Whether it has deletion protection."""
    ttl_status: str = "DISABLED"
    ttl_attribute: str | None = None
    """By which items expire, or did until a moment ago."""

    @property
    def account(self) -> str:
        """The account that it is in."""
        return self.arn.split(":")[4]
