"""What AWS charges for what a migration uses: one price a line, in US dollars, without free tiers.

The prices stand in `prices.json`, dated, of one Region, each with the page that it stands on. The same form is what
`python -m workflow plan --prices FILE` takes: other Regions have the same lines at other prices, some a fifth dearer.
Preflight and WatchReplicator go by the file in the package. What is stored is no line: the target's bytes are the
owner's, not the copy's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.core.errors import Refused

FILE: Final = "prices.json"
"""Beside this module."""


@dataclass(frozen=True, slots=True)
class Price:
    """One line of a bill."""

    what: str
    """What is counted, in the plural."""
    usd: float
    """Of one of them."""
    source: str
    """The page that it stands on."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listed(_Form):
    """One line of a list of prices, as a file has it."""

    name: str
    """As the list of this version has it."""
    usd: Annotated[float, Field(ge=0)]
    per: Annotated[int, Field(ge=1)] = 1
    """Of so many, as AWS's own pages say it."""
    source: str
    """The page that it stands on."""
    what: str = ""
    """What is counted, in the plural. Another list may leave it out: it is what the name says."""
    note: str = ""
    """What else has to be known of it."""

    @property
    def price(self) -> Price:
        """It, of one."""
        return Price(self.what, self.usd / self.per, self.source)


class PriceFile(_Form):
    """A list of prices, as a file has it."""

    dated: str
    """When they were looked up."""
    region: str
    prices: tuple[Listed, ...]


def _read(text: str) -> PriceFile:
    """Return what a file in JSON says.

    Raises:
        Refused: it is no list of prices, or has a line twice.
    """
    try:
        found = PriceFile.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, line['loc'])) or 'it'}: {line['msg']}" for line in error.errors())
        raise Refused(
            f"the list of prices cannot be read ({wrong}); tasks/core/forecast/{FILE} is one: copy it and edit that"
        ) from None
    names = [line.name for line in found.prices]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"the list of prices has {', '.join(twice)} more than once; leave one line of each")
    return found


_OURS: Final = _read(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
DATED: Final = _OURS.dated
REGION: Final = _OURS.region
PRICES: Final[Mapping[str, Price]] = {line.name: line.price for line in _OURS.prices}
"""All of them, by their names. What follows has the same ones for code to name."""

WRITE_REQUEST_UNIT: Final = PRICES["WRITE_REQUEST_UNIT"]
READ_REQUEST_UNIT: Final = PRICES["READ_REQUEST_UNIT"]
REPLICATED_WRITE_REQUEST_UNIT: Final = PRICES["REPLICATED_WRITE_REQUEST_UNIT"]
WRITE_UNIT_HOUR: Final = PRICES["WRITE_UNIT_HOUR"]
READ_UNIT_HOUR: Final = PRICES["READ_UNIT_HOUR"]
STREAMS_READ_REQUEST: Final = PRICES["STREAMS_READ_REQUEST"]
RESTORE_GB: Final = PRICES["RESTORE_GB"]
WARM_WRITE_UNIT: Final = PRICES["WARM_WRITE_UNIT"]
WARM_READ_UNIT: Final = PRICES["WARM_READ_UNIT"]
STREAM_HOUR: Final = PRICES["STREAM_HOUR"]
STREAM_GB_IN: Final = PRICES["STREAM_GB_IN"]
STREAM_GB_OUT: Final = PRICES["STREAM_GB_OUT"]
STREAM_GB_MONTH: Final = PRICES["STREAM_GB_MONTH"]
SHARD_HOUR: Final = PRICES["SHARD_HOUR"]
SHARD_HOUR_KEPT_LONGER: Final = PRICES["SHARD_HOUR_KEPT_LONGER"]
PUT_PAYLOAD_UNIT: Final = PRICES["PUT_PAYLOAD_UNIT"]
LAMBDA_GB_SECOND: Final = PRICES["LAMBDA_GB_SECOND"]
LAMBDA_REQUEST: Final = PRICES["LAMBDA_REQUEST"]
STATE_TRANSITION: Final = PRICES["STATE_TRANSITION"]
S3_PUT: Final = PRICES["S3_PUT"]
S3_GB_MONTH: Final = PRICES["S3_GB_MONTH"]
S3_GET: Final = PRICES["S3_GET"]
METRIC_REQUEST: Final = PRICES["METRIC_REQUEST"]
LOGS_GB: Final = PRICES["LOGS_GB"]
TRACE: Final = PRICES["TRACE"]
TRANSFER_GB: Final = PRICES["TRANSFER_GB"]
EXPORT_GB: Final = PRICES["EXPORT_GB"]
IMPORT_GB: Final = PRICES["IMPORT_GB"]


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices of one day and Region."""

    dated: str = DATED
    region: str = REGION
    replaced: Mapping[Price, Price] = field(default_factory=dict)
    """Prices of this version, and those in their places."""

    def of(self, price: Price) -> Price:
        """Return what stands in a price's place."""
        return self.replaced.get(price, price)


def parse_prices(text: str) -> PriceList:
    """Return the list that a file in JSON holds, in the form of this version's own. What it leaves out stays.

    Raises:
        Refused: it is none, or names a line that there is not, or one twice.
    """
    other = _read(text)
    unknown = [line.name for line in other.prices if line.name not in PRICES]
    if unknown:
        raise Refused(f"the list of prices has {', '.join(unknown)}, and the lines are {', '.join(PRICES)}")
    return PriceList(other.dated, other.region, dict(_replacements(other.prices)))


def _replacements(lines: Iterable[Listed]) -> Iterable[tuple[Price, Price]]:
    for line in lines:
        ours = PRICES[line.name]
        yield ours, replace(ours, usd=line.price.usd, source=line.source)


def usd_of(amounts: Mapping[Price, float]) -> float:
    """Return what so many of each cost."""
    return sum(price.usd * amount for price, amount in amounts.items())
