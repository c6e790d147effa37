"""How far one exploration goes. Within its bounds it leaves nothing out."""

from dataclasses import dataclass
from typing import Literal

Clock = Literal["forwards", "still", "backwards"]
Break = Literal["", "stream", "target", "mapping"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may happen, and how often."""

    keys: int = 1
    shards: int = 1
    """Of the source's stream: all keys in one, or each key in its own."""
    before: int = 1
    """Writes to the source before the run: no record tells of them, unless its stream is on before."""
    operations: int = 2
    """Puts and deletes at the source from then on, the late ones after the cut-over included."""
    sendings: int = 2
    """How many different contents Kinesis may hold of the pages of one number; each is delivered at any time, again
    and again."""
    writers: int = 1
    """Invocations of the writer under way side by side."""
    notes: bool = False
    """Whether a writer whose time is over notes how far it is: the page's next delivery goes on there."""
    changes_at_once: int = 2
    """After so many the watermark moves."""
    application: int = 1
    """The application's own writes to the target, after the cut-over."""
    clock: Clock = "backwards"
    """How `updatedAt` runs from one put to the next."""
    is_versioned: bool = False
    """Whether `version_attribute` is set."""
    shrinks: bool = False
    """Whether a batch that was partly applied may come again with fewer changes than it had. Lambda sends the same
    batch again; what it sends after it lost its place is its own affair."""
    stops: bool = False
    """Whether a change may be kept as overruled though nobody wrote to the target: that loses nothing, and stops the
    run before the cut-over."""
    restores: bool = False
    """Whether the source may put an item that it had before, equal to the last bit."""
    refuses: bool = False
    """Whether the target refuses the last key's items."""
    misses_tips: bool = False
    """Whether DrainChanges and CutOver take for a shard's tip what the replicator has reached: a shard may answer
    without records before its tip."""
    repeats: bool = False
    """Whether a change that was applied under the rule DELETE may come again once the application writes to the target:
    only a missed tip lets traffic move before its watermark is written, and the late ledger does not know it."""
    misses_tips_of_protect_target: bool = False
    """Whether ProtectTarget does so too."""
    is_on_before: bool = False
    """Whether the source's stream is on all the time, so that the writes before the run have records too."""
    leaves_over: bool = False
    """Whether a batch of an earlier run may put what the source's first write put into the target, once."""
    breaks: Break = ""
    """What of the route the world may take away and put back as another, once, at any time from "settling" on."""
    resumes: bool = False
    """Whether the run may be resumed once, at any time behind the closed door and before the flip."""
    judges_the_flip: bool = False
    """Whether it is wrong already that traffic moves over a route that broke between CutOver's look and its flip: they
    are two calls. What is lost in between, DrainLateWrites finds."""
    waits_until: str = "before"
    """The phase from which on the source takes writes; before that only those that no record tells of."""
    ends_with: str = "moved"
    """The last phase that is looked into."""
