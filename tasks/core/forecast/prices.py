"""What AWS charges for what a migration uses: one price a line, in US dollars, of us-east-1, without free tiers.

Other Regions have the same lines at other prices, some a fifth dearer: `python -m workflow plan --prices FILE` takes
another list. Prices are as AWS lists them in November 2026; each names the page that it stands on. What is stored is no
line: the target's bytes are the owner's, not the copy's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.core.errors import Refused

DATED: Final = "2026-11"
REGION: Final = "us-east-1"

_MILLION = 1_000_000
_DYNAMODB_ON_DEMAND = "aws.amazon.com/dynamodb/pricing/on-demand"
_DYNAMODB_PROVISIONED = "aws.amazon.com/dynamodb/pricing/provisioned"
_KINESIS = "aws.amazon.com/kinesis/data-streams/pricing"
_LAMBDA = "aws.amazon.com/lambda/pricing"
_STEP_FUNCTIONS = "aws.amazon.com/step-functions/pricing"
_S3 = "aws.amazon.com/s3/pricing"
_CLOUDWATCH = "aws.amazon.com/cloudwatch/pricing"
_XRAY = "aws.amazon.com/xray/pricing"


@dataclass(frozen=True, slots=True)
class Price:
    """One line of a bill."""

    what: str
    """What is counted, in the plural."""
    usd: float
    """Of one of them."""
    source: str
    """The page that it stands on."""


WRITE_REQUEST_UNIT: Final = Price("write request units", 0.625 / _MILLION, _DYNAMODB_ON_DEMAND)
"""Of a table on demand; an index's are as many again."""
READ_REQUEST_UNIT: Final = Price("read request units", 0.125 / _MILLION, _DYNAMODB_ON_DEMAND)
REPLICATED_WRITE_REQUEST_UNIT: Final = Price("replicated write request units", 0.625 / _MILLION, _DYNAMODB_ON_DEMAND)
"""In each Region of a global table, the first included, in place of write request units."""
WRITE_UNIT_HOUR: Final = Price("provisioned write units for an hour", 0.00065, _DYNAMODB_PROVISIONED)
READ_UNIT_HOUR: Final = Price("provisioned read units for an hour", 0.00013, _DYNAMODB_PROVISIONED)
STREAMS_READ_REQUEST: Final = Price("calls of GetRecords of DynamoDB Streams", 0.02 / 100_000, _DYNAMODB_ON_DEMAND)
"""Those that Lambda's mappings make are free."""
RESTORE_GB: Final = Price("GB restored", 0.15, _DYNAMODB_ON_DEMAND)
"""A replica that is added to a table with items costs as a restore of the table."""
WARM_WRITE_UNIT: Final = Price("write units made warm", 0.00065, _DYNAMODB_PROVISIONED)
"""Once, for each unit beyond what is warm already, as much as a provisioned unit for an hour (AWS Database Blog,
"Pre-warming Amazon DynamoDB tables with warm throughput"). Each index and each replica counts for itself."""
WARM_READ_UNIT: Final = Price("read units made warm", 0.00013, _DYNAMODB_PROVISIONED)
"""As for write units."""

STREAM_HOUR: Final = Price("hours of a Kinesis stream on demand", 0.04, _KINESIS)
STREAM_GB_IN: Final = Price("GB put into a Kinesis stream on demand", 0.08, _KINESIS)
"""Each record rounded up to the next KB."""
STREAM_GB_OUT: Final = Price("GB read from a Kinesis stream on demand", 0.04, _KINESIS)
STREAM_GB_MONTH: Final = Price("GB kept by a Kinesis stream on demand beyond a day, for a month", 0.10, _KINESIS)
SHARD_HOUR: Final = Price("hours of a provisioned Kinesis shard", 0.015, _KINESIS)
SHARD_HOUR_KEPT_LONGER: Final = Price("hours of a provisioned Kinesis shard that keeps more than a day", 0.02, _KINESIS)
"""Besides the former."""
PUT_PAYLOAD_UNIT: Final = Price("payloads of 25 KB put into provisioned Kinesis shards", 0.014 / _MILLION, _KINESIS)

LAMBDA_GB_SECOND: Final = Price("GB-seconds of Lambda on arm64", 0.0000133334, _LAMBDA)
LAMBDA_REQUEST: Final = Price("calls of Lambda functions", 0.20 / _MILLION, _LAMBDA)
STATE_TRANSITION: Final = Price("state transitions of standard executions", 0.025 / 1000, _STEP_FUNCTIONS)
"""Each retry is one too."""
S3_PUT: Final = Price("S3 puts and lists", 0.005 / 1000, _S3)
S3_GB_MONTH: Final = Price("GB kept in S3 for a month", 0.023, _S3)
S3_GET: Final = Price("S3 gets", 0.0004 / 1000, _S3)
LOGS_GB: Final = Price("GB of logs taken in", 0.50, _CLOUDWATCH)
TRACE: Final = Price("traces recorded", 5.0 / _MILLION, _XRAY)

TRANSFER_GB: Final = Price("GB transferred from one Region to another", 0.02, "aws.amazon.com/ec2/pricing/on-demand")

EXPORT_GB: Final = Price("GB exported to S3", 0.10, _DYNAMODB_ON_DEMAND)
IMPORT_GB: Final = Price("GB imported from S3", 0.15, _DYNAMODB_ON_DEMAND)
"""Of the objects, as they are uncompressed."""

PRICES: Final[Mapping[str, Price]] = {
    "WRITE_REQUEST_UNIT": WRITE_REQUEST_UNIT,
    "READ_REQUEST_UNIT": READ_REQUEST_UNIT,
    "REPLICATED_WRITE_REQUEST_UNIT": REPLICATED_WRITE_REQUEST_UNIT,
    "WRITE_UNIT_HOUR": WRITE_UNIT_HOUR,
    "READ_UNIT_HOUR": READ_UNIT_HOUR,
    "STREAMS_READ_REQUEST": STREAMS_READ_REQUEST,
    "RESTORE_GB": RESTORE_GB,
    "WARM_WRITE_UNIT": WARM_WRITE_UNIT,
    "WARM_READ_UNIT": WARM_READ_UNIT,
    "STREAM_HOUR": STREAM_HOUR,
    "STREAM_GB_IN": STREAM_GB_IN,
    "STREAM_GB_OUT": STREAM_GB_OUT,
    "STREAM_GB_MONTH": STREAM_GB_MONTH,
    "SHARD_HOUR": SHARD_HOUR,
    "SHARD_HOUR_KEPT_LONGER": SHARD_HOUR_KEPT_LONGER,
    "PUT_PAYLOAD_UNIT": PUT_PAYLOAD_UNIT,
    "LAMBDA_GB_SECOND": LAMBDA_GB_SECOND,
    "LAMBDA_REQUEST": LAMBDA_REQUEST,
    "STATE_TRANSITION": STATE_TRANSITION,
    "S3_PUT": S3_PUT,
    "S3_GB_MONTH": S3_GB_MONTH,
    "S3_GET": S3_GET,
    "LOGS_GB": LOGS_GB,
    "TRACE": TRACE,
    "TRANSFER_GB": TRANSFER_GB,
    "EXPORT_GB": EXPORT_GB,
    "IMPORT_GB": IMPORT_GB,
}
"""All of them, by the names that a list of other prices has."""


class OtherPrices(BaseModel):
    """A list in place of this one, as a file has it. What it leaves out stays as it is here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dated: str
    """When they were looked up."""
    region: str
    source: str
    """Where they stand."""
    usd: dict[str, Annotated[float, Field(ge=0)]]
    """US dollars of one, by the name of the line, such as `WRITE_REQUEST_UNIT`."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices of one day and Region."""

    dated: str = DATED
    region: str = REGION
    replaced: Mapping[Price, Price] = field(default_factory=dict)
    """Prices of this module, and those in their places."""

    def of(self, price: Price) -> Price:
        """Return what stands in a price's place."""
        return self.replaced.get(price, price)


def parse_prices(text: str) -> PriceList:
    """Return the list that a file in JSON holds.

    Raises:
        Refused: it is none, or names a line that there is not.
    """
    try:
        other = OtherPrices.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, line['loc'])) or 'it'}: {line['msg']}" for line in error.errors())
        raise Refused(f"the list of prices cannot be read ({wrong}); docs/plan.md shows one") from None
    unknown = [name for name in other.usd if name not in PRICES]
    if unknown:
        raise Refused(f"the list of prices has {', '.join(unknown)}, and the lines are {', '.join(PRICES)}")
    replaced = {PRICES[name]: replace(PRICES[name], usd=usd, source=other.source) for name, usd in other.usd.items()}
    return PriceList(other.dated, other.region, replaced)


def usd_of(amounts: Mapping[Price, float]) -> float:
    """Return what so many of each cost."""
    return sum(price.usd * amount for price, amount in amounts.items())
