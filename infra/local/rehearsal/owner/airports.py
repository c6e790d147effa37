"""The demonstration's table: the world's airports, one item per airport and AIRAC cycle, typed as their owner would.

Aeronautical data are published anew every 28 days, in numbered AIRAC cycles (2601 is the first of 2026). So the key is
`icao` (S) with `cycle` (N), and a table larger than the world's 28,000 airports simply holds more cycles. Both halves
of the key spread evenly; `country` would not (44 % of all airports are in one).

Items are typed JSON as DynamoDB speaks it, binary values as base64 text. Every type occurs, and the values that copiers
get wrong: 38-digit numbers, the smallest exponent, empty strings and binaries, empty lists and maps, null, nesting.
"""

import base64
import random
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

import airportsdata

AttributeValue: TypeAlias = dict[str, Any]
Item: TypeAlias = dict[str, AttributeValue]
Row: TypeAlias = Mapping[str, Any]

LOADED_AT_MILLISECONDS = 1_767_225_600_000  # 2026-01-01: every write of the application is newer
_SIGNIFICANT_DIGITS = 38  # the most that a DynamoDB number holds
_CYCLES_A_YEAR = 13
_FIRST_YEAR = 26


@cache
def rows() -> tuple[Row, ...]:
    """Return every airport of the `airportsdata` package, in its order."""
    return tuple(airportsdata.load("ICAO").values())


def cycle(number: int) -> int:
    """Return the AIRAC identifier of the 0-based cycle: 2601, 2602, ... 2613, 2701, ..."""
    year, place = divmod(number, _CYCLES_A_YEAR)
    return (_FIRST_YEAR + year) * 100 + place + 1


def items(count: int, seed: int) -> Iterator[Item]:
    """Yield `count` items with distinct keys; the same seed gives the same items.

    Fewer than all airports are a sample from everywhere; more are the same airports in further cycles.
    """
    chosen = list(rows())
    random.Random(seed).shuffle(chosen)
    for place in range(count):
        lap, index = divmod(place, len(chosen))
        row, in_cycle = chosen[index], cycle(lap)
        rng = random.Random(f"{seed}/{row['icao']}/{in_cycle}")
        yield item(row, in_cycle, rng, updated_at=LOADED_AT_MILLISECONDS + rng.randrange(86_400_000))


def item(row: Row, in_cycle: int, rng: random.Random, *, updated_at: int) -> Item:
    """Return one airport as its owner stores it; what the package does not know is drawn from `rng`.

    Args:
        row: one of `rows()`.
        in_cycle: an AIRAC identifier.
        rng: decides the attributes which a surveyor would supply.
        updated_at: milliseconds since 1970, the value of `updatedAt`.
    """
    known: Item = {
        "icao": {"S": row["icao"]},
        "cycle": {"N": str(in_cycle)},
        "name": {"S": row["name"]},
        "city": {"S": row["city"]},  # empty for one airport in ten
        "subdivision": {"S": row["subd"]},
        "country": {"S": row["country"]},
        "iata": {"S": row["iata"]} if row["iata"] else {"NULL": True},
        "tz": {"S": row["tz"]},
        "elevationFeet": {"N": f"{row['elevation']:g}"},
        "position": {"M": {"lat": {"N": f"{row['lat']:.6f}"}, "lon": {"N": f"{row['lon']:.6f}"}}},
        "updatedAt": {"N": str(updated_at)},
    }
    if row["lid"]:
        known["lid"] = {"S": row["lid"]}
    return known | _surveyed(row, rng)


def _surveyed(row: Row, rng: random.Random) -> Item:
    """Return the attributes that the package lacks, of every type that DynamoDB has."""
    heading = rng.randrange(1, 10)
    noise = rng.randbytes(78)  # one draw for all binaries: this runs for every item loaded
    exact: Item = {"latitude": {"N": precise(row["lat"], rng)}, "longitude": {"N": precise(row["lon"], rng)}}
    surveyed: Item = {
        "open": {"BOOL": heading > 1},
        "movements": {"N": str(rng.randrange(1_000_000))},
        "services": {"SS": list(_SERVICES[rng.randrange(4) : rng.randrange(5, 10)])},
        "runways": {"NS": [str(heading), str(heading + 18)]},
        "survey": {"M": exact},
        "chart": {"B": _binary(noise[: rng.choice((0, 24, 48))])},
        "remarks": {"S": rng.choice(_REMARKS)},
    }
    if rng.randrange(4) == 0:  # a quarter has the rarer shapes besides
        exact["tolerance"] = {"N": rng.choice(("1E-130", "0.5", "2.50", "-1E-100"))}
        exact["marks"] = {"NS": [precise(mark, rng) for mark in (1, 2)]}
        exact["signature"] = {"B": _binary(noise[48:64])}
        surveyed["frequencies"] = {"L": [_frequency(rng) for _ in range(rng.randrange(3))]}
        surveyed["beacons"] = {"BS": [_binary(noise[64:72]), _binary(noise[72:76]), _binary(noise[76:78])]}
        surveyed["empty"] = {"M": {"list": {"L": []}, "map": {"M": {}}, "text": {"S": ""}, "null": {"NULL": True}}}
        surveyed["largest"] = {"N": "9" * _SIGNIFICANT_DIGITS + "E+87"}
    return surveyed


def precise(value: float, rng: random.Random) -> str:
    """Return `value` to six places, lengthened with digits to the 38 that a DynamoDB number holds."""
    text = f"{value:.6f}"
    missing = _SIGNIFICANT_DIGITS - len(text.replace(".", "").lstrip("-0"))
    # The last digit is odd, so that it is no zero, which anybody may strip.
    return f"{text}{rng.randrange(1, 10**missing, 2):0{missing}}"


def _frequency(rng: random.Random) -> AttributeValue:
    """Return a radio frequency, 118 to 137 MHz, in a map within the list."""
    call_sign: AttributeValue = {"S": rng.choice(_CALL_SIGNS)}
    spoken: AttributeValue = {"L": [{"S": "en"}, {"NULL": True}, {"BOOL": True}]}
    return {"M": {"mhz": {"N": f"{rng.randrange(118_000, 137_000) / 1000}"}, "callSign": call_sign, "spoken": spoken}}


def _binary(content: bytes) -> str:
    """Return bytes as the base64 text of typed JSON."""
    return base64.b64encode(content).decode()


_SERVICES = ("customs", "fire", "fuel", "hangar", "ils", "lighting", "medical", "tower", "weather", "Zürich 飛行場")
_CALL_SIGNS = ("GROUND", "TOWER", "ATIS", "")
_REMARKS = ("", "", "PPR 24 h", 'grass; "soft" when wet', "O'Hare's rule: it's quoted", "наблюдение 24/7", "tab\there")
