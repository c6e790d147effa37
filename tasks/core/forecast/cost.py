"""Whether a run would cost more than its owner has said that it may."""

from tasks.core.forecast.counted import Seen
from tasks.core.forecast.forecast import forecast
from tasks.core.forecast.prices import DATED, REGION
from tasks.core.model.table_facts import TableFacts
from tasks.core.settings.migration import Migration

LINES_SAID = 3
"""The dearest lines, which say where to begin."""


def cost_reasons(
    settings: Migration, source: TableFacts, target: TableFacts | None, *, table_write_limit: int | None
) -> list[str]:
    """Return why the run is too dear, as what, why and the way out.

    Preflight knows neither how much is written to the source nor what its items are like: `python -m workflow plan`
    does, and says more where changes cost more.

    Args:
        settings: of the execution.
        source: what is copied.
        target: `None` if it is still to be made.
        table_write_limit: the account's, for one table; `None` if it is not known.
    """
    most = settings.max_cost_usd
    if most is None:
        return []
    bill = forecast(settings, Seen(source=source, target=target, table_write_limit=table_write_limit)).bill
    if bill.total <= most:
        return []
    dearest = sorted(bill.by_purpose().items(), key=lambda line: -line[1])[:LINES_SAID]
    lines = ", ".join(f"{what} {usd:,.2f}" for what, usd in dearest)
    words = (
        f"max_cost_usd is {most:,.2f}, and by its plan the run costs about {bill.total:,.2f} USD ({lines}; prices of "
        f"{REGION}, {DATED}, live writes aside); raise it, or look at `python -m workflow plan`: it has every line, "
        "and the other ways"
    )
    return [words]
