"""The ordeals of the bounded part: many faults in few migrations."""

from tests.faults.faulty import Faulty, RuleJson
from tests.faults.ordeal import Ordeal, callers
from tests.workflow.running import Running

BATCHES = ("BatchWriteItem", "BatchExecuteStatement", "kinesis.PutRecords", "BatchGetItem")


def faults_everywhere(running: Running) -> list[RuleJson]:
    """Refuse, cut, lose and tear calls of all functions, by chance but with the same luck every time."""
    every_function = callers(running)
    by_chance = {"throttle": 0.03, "error": 0.02, "reset": 0.02, "lose-answer": 0.03}
    return [
        *(
            {"name": action, "action": action, "caller": every_function, "probability": chance, "seed": seed}
            for seed, (action, chance) in enumerate(by_chance.items())
        ),
        *(
            {
                "name": f"refuse-some {batch}",
                "action": "refuse-some",
                "operation": batch,
                "caller": every_function,
                "members": members,
                "every": 4,
            }
            for batch, members in zip(BATCHES, (3, 1, 1, 3), strict=True)
        ),
        {
            "name": "expired-iterator",
            "action": "expired-iterator",
            "operation": "*.GetRecords",
            "caller": "event-source-mappings",
            "every": 20,
            "most": 4,
        },
        {
            "name": "no-records",
            "action": "no-records",
            "operation": "dynamodbstreams.GetRecords",
            "caller": every_function,
            "probability": 0.5,
        },
        short_pages(running),
    ]


def short_pages(running: Running, items: int = 40) -> RuleJson:
    """Make many pages of a small table; the last rule, as it acts on whatever the others leave."""
    return {
        "name": "short-page",
        "action": "short-page",
        "operation": "Scan",
        "caller": callers(running, "ScanSegment"),
        "items": items,
    }


STEPS: tuple[tuple[str, str, str], ...] = (
    ("ScanSegment", "Scan", ""),
    ("ScanSegment", "kinesis.PutRecords", ""),
    ("ScanSegment", "PutItem", '"sent#'),
    ("ScanSegment", "PutItem", '"checkpoint"'),
    ("ScanSegment", "PutItem", '\\"state\\":\\"done'),
    ("WritePages", "GetItem", '"plan"'),
    ("WritePages", "BatchGetItem", '"receipt#'),
    ("WritePages", "BatchExecuteStatement", ""),
    ("WritePages", "PutItem", '"receipt#'),
    ("ReplicateChanges", "GetItem", '"rule#forward"'),
    ("ReplicateChanges", "GetItem", '"plan"'),
    ("ReplicateChanges", "GetItem", '"watermarks#forward#'),
    ("ReplicateChanges", "BatchWriteItem", '"tombstones#'),
    ("ReplicateChanges", "BatchWriteItem", "-target"),
    ("ReplicateChanges", "PutItem", '"watermarks#forward#'),
    ("ReplicateChanges", "BatchGetItem", "#late#"),
    ("ReplicateChanges", "BatchGetItem", "-target"),
    ("ReplicateChanges", "TransactWriteItems", '[{"Put"'),
    ("ReplicateChanges", "TransactWriteItems", '[{"Delete"'),
)
"""Every call of the three functions on the data path: function, operation, what the call mentions."""


def step_name(step: tuple[str, str, str]) -> str:
    """Return a step's name, such as `ScanSegment PutItem sent`."""
    return " ".join(part.strip('[{"#-') for part in step if part)


def at_step(running: Running, step: tuple[str, str, str], action: str, **more: object) -> RuleJson:
    """Return a rule for one step."""
    function, operation, mentions = step
    return {
        "name": f"{action} {step_name(step)}",
        "action": action,
        "caller": callers(running, function),
        "operation": operation,
        "mentions": mentions,
        **more,
    }


def kills_at_each_step(running: Running) -> list[RuleJson]:
    """Kill a worker once before and once after each call on the data path."""
    kills = [at_step(running, step, kill, most=1) for step in STEPS for kill in ("kill-before", "kill-after")]
    return [*kills, short_pages(running)]


class SplitAndRestart:
    """Split the pages' shard while pages come, and restart the gateway, once while they come and once at the end."""

    def __init__(self) -> None:
        self.shards = 1
        self.restarts = 0

    def rules(self, running: Running) -> list[RuleJson]:
        """Make many pages, each a little late, so that the split falls between them."""
        slow = {
            "name": "delay",
            "action": "delay",
            "seconds": 0.3,
            "operation": "kinesis.PutRecords",
            "caller": callers(running),
        }
        return [slow, short_pages(running, items=15)]

    def during(self, running: Running, arn: str, faulty: Faulty) -> None:
        """Look whether it is time."""
        if self.shards == 1 and running.is_past(arn, "PlanSegments"):
            self.shards = split_pages_shard(running)
        if self.restarts == 0 and self.shards > 1:
            self.restarts += 1
            faulty.restart(1)
        if self.restarts == 1 and running.is_past(arn, "ProtectTarget"):
            self.restarts += 1
            faulty.restart(1)


def split_pages_shard(running: Running) -> int:
    """Split the first open shard of the pages' stream in two, and return how many shards there are then."""
    assert running.deployment is not None
    kinesis, stream = running.session.client("kinesis"), running.deployment.pages_stream
    shard = next(
        shard
        for shard in kinesis.list_shards(StreamName=stream)["Shards"]
        if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    )
    keys = shard["HashKeyRange"]
    middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2
    kinesis.split_shard(StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(middle))
    return len(kinesis.list_shards(StreamName=stream)["Shards"])


def everywhere() -> Ordeal:
    """Return the ordeal of faults by chance."""
    return Ordeal(faults_everywhere, items=400)


def killed() -> Ordeal:
    """Return the ordeal of kills: eight segments, so that each is killed about once."""
    return Ordeal(kills_at_each_step, settings={"total_segments": 8})


def split_and_restarted(course: SplitAndRestart) -> Ordeal:
    """Return the ordeal of a split and two restarts."""
    return Ordeal(course.rules, during=course.during, items=400)
