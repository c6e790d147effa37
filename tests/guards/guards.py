"""Every guard of the design, and the code without it: which text of which file is put in place of which.

A guard is a condition, an order or a wait that keeps a write from being lost, or a deleted item from coming back. Each
of them, taken away alone, has to make a named test fail; `python -m tests.guards` tries them all.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard.

    Attributes:
        without: What happens once it is gone.
        file: Where it stands.
        text: The guard itself; it stands in the file once.
        instead: What is put in its place.
    """

    without: str
    file: str
    text: str
    instead: str


GUARDS = (
    Guard(
        without="a page overwrites what is there",
        file="tasks/core/conflict.py",
        text=('"attribute_not_exists(#hash)", "ExpressionAttributeNames": names}\n        return {'),
        instead=(
            '"attribute_exists(#hash) OR attribute_not_exists(#hash)", "ExpressionAttributeNames": names}\n'
            "        return {"
        ),
    ),
    Guard(
        without="DuplicateItem is put over",
        file="tasks/aws/target.py",
        text=(
            'if code == "DuplicateItem" and not condition.replaces(item):\n'
            "            # Taken by a change, a tombstone or an earlier delivery.\n"
            "            return Written(present=1)"
        ),
        instead=("if False:\n            return Written(present=1)"),
    ),
    Guard(
        without="a delete leaves no tombstone",
        file="tasks/replicate_changes.py",
        text="if rule is ReplicationRule.LEAVE_TOMBSTONES:",
        instead="if False:",
    ),
    Guard(
        without="the tombstone before its ledger entry",
        file="tasks/replicate_changes.py",
        text=(
            "            tombstones.enter_all([change.key for change in deleted])\n"
            "            puts += [tombstone_of(change, version_attribute=plan.version_attribute) for change in deleted]\n"
            "            rejects = target.write_all(puts, [])\n"
        ),
        instead=(
            "            puts += [tombstone_of(change, version_attribute=plan.version_attribute) for change in deleted]\n"
            "            rejects = target.write_all(puts, [])\n"
            "            tombstones.enter_all([change.key for change in deleted])\n"
        ),
    ),
    Guard(
        without="the tombstone carries an old version",
        file="tasks/core/conflict.py",
        text=(
            "if version_attribute and change.deleted and version_attribute in change.deleted:\n"
            "        tombstone[version_attribute] = change.deleted[version_attribute]"
        ),
        instead=(
            "if version_attribute and change.old and version_attribute in change.old:\n"
            "        tombstone[version_attribute] = change.old[version_attribute]"
        ),
    ),
    Guard(
        without="purge without the mark's condition",
        file="tasks/aws/purge.py",
        text=(
            '        "ConditionExpression": "attribute_exists(#mark)",\n'
            '        "ExpressionAttributeNames": {"#mark": TOMBSTONE_ATTRIBUTE},\n'
        ),
        instead="",
    ),
    Guard(
        without="entries struck before tombstones go",
        file="tasks/aws/purge.py",
        text=("            gone = [name for name, call in calls if call.exception() is None]\n"),
        instead=("            gone = [name for name, _ in calls]\n"),
    ),
    Guard(
        without="the last writer invocation is not waited for",
        file="tasks/detach_writer.py",
        text="    if now < over_at:",
        instead="    if False:",
    ),
    Guard(
        without="purge under any rule",
        file="tasks/purge_tombstones.py",
        text="if record is None or record.run != request.plan.run or RULE_ORDER.index(record.rule) < leaves_none:",
        instead="if record is None:",
    ),
    Guard(
        without="purge while an old batch is under way",
        file="tasks/purge_tombstones.py",
        text="    if not moments.is_in_force(",
        instead="    if False and not moments.is_in_force(",
    ),
    Guard(
        without="cut over without fence",
        file="tasks/cut_over.py",
        text="if record is None or (record.run, record.rule) != (plan.run, ReplicationRule.TARGET_WINS):",
        instead="if record is None:",
    ),
    Guard(
        without="cut over while an old batch is under way",
        file="tasks/cut_over.py",
        text="    if not moments.is_in_force(",
        instead="    if False and not moments.is_in_force(",
    ),
    Guard(
        without="cut over without proof",
        file="tasks/cut_over.py",
        text='verdict: Literal["equal"]',
        instead="verdict: str",
    ),
    Guard(
        without="cut over while the replicator is behind",
        file="tasks/cut_over.py",
        text="if not moments.await_passed(",
        instead="if False and not moments.await_passed(",
    ),
    Guard(
        without="cut over over rejected changes",
        file="tasks/cut_over.py",
        text="        rejects.check_no_change_rejected(plan.run)\n",
        instead="",
    ),
    Guard(
        without="cut over over lost changes",
        file="tasks/aws/lag.py",
        text="    if lost:",
        instead="    if False:",
    ),
    Guard(
        without="the stream is not given time to settle",
        file="tasks/attach_replicator.py",
        text="    if time.time() < settled_at:",
        instead="    if False:",
    ),
    Guard(
        without="a mapping that is not enabled is enough",
        file="tasks/attach_replicator.py",
        text='    if mapping.state != "Enabled":',
        instead="    if False:",
    ),
    Guard(
        without="Enabled is taken for proof",
        file="tasks/attach_replicator.py",
        text="    _see_it_work(stream_arn, rule)\n",
        instead="",
    ),
    Guard(
        without="the ledger before Kinesis",
        file="tasks/scan_segment.py",
        text=(
            "    pages.put_all(deployment.pages_stream_arn(), records)\n"
            "    digests = tuple(read_header(record).digest for record in records)\n"
            "    receipts.put_sent(plan.run, checkpoint.segment, Sent(checkpoint.pages, digests, page.count))\n"
        ),
        instead=(
            "    digests = tuple(read_header(record).digest for record in records)\n"
            "    receipts.put_sent(plan.run, checkpoint.segment, Sent(checkpoint.pages, digests, page.count))\n"
            "    pages.put_all(deployment.pages_stream_arn(), records)\n"
        ),
    ),
    Guard(
        without="the receipt before the last item",
        file="tasks/write_pages.py",
        text="    written = Target(",
        instead=("    receipts.put_receipt(header, inserted=0, present=0, rejected=0)\n    written = Target("),
    ),
    Guard(
        without="the receipt before the rejects",
        file="tasks/write_pages.py",
        text=("    if written.rejects:\n        name"),
        instead=(
            "    receipts.put_receipt(header, inserted=written.inserted, present=written.present, rejected=len(written.rejects))\n"
            "    if written.rejects:\n"
            "        name"
        ),
    ),
    Guard(
        without="a receipt by number, not by bytes",
        file="tasks/aws/receipts.py",
        text='return f"receipt#{header.page:08}#{header.part:04}#{header.digest}"',
        instead='return f"receipt#{header.page:08}#{header.part:04}#x"',
    ),
    Guard(
        without="the drain looks at numbers only",
        file="tasks/core/receipts.py",
        text="        parts = [got.get((page, part, digest)) for part, digest in enumerate(entry.digests)]",
        instead=(
            "        byno = {(r.page, r.part): r for r in got.values()}\n"
            "        parts = [byno.get((page, part)) for part, _ in enumerate(entry.digests)]"
        ),
    ),
    Guard(
        without="the drain passes over missing pages",
        file="tasks/drain_backfill.py",
        text="        if drain.missing:",
        instead="        if False:",
    ),
    Guard(
        without="a page of another run is written",
        file="tasks/write_pages.py",
        text="    if header.run != plan.run:",
        instead="    if False:",
    ),
    Guard(
        without="the watermark before the changes",
        file="tasks/replicate_changes.py",
        text=(
            "                apply_changes(plan, rule.rule, stretch, applied)\n"
            "                # Only now: a watermark that passes a change which is not applied would let the cut-over lose it.\n"
            "                mark = passed(mark, shard, stretch, applied_at=time.time(), rule_since=rule.since)\n"
            "                watermarks.put_watermark(mark)\n"
        ),
        instead=(
            "                mark = passed(mark, shard, stretch, applied_at=time.time(), rule_since=rule.since)\n"
            "                watermarks.put_watermark(mark)\n"
            "                apply_changes(plan, rule.rule, stretch, applied)\n"
        ),
    ),
    Guard(
        without="the replicator goes on past a failure",
        file="tasks/replicate_changes.py",
        text=('            answer["batchItemFailures"] = [{"itemIdentifier": failed}]\n            break\n    return'),
        instead=('            answer["batchItemFailures"] = [{"itemIdentifier": failed}]\n    return'),
    ),
    Guard(
        without="what the watermark has passed is applied again",
        file="tasks/replicate_changes.py",
        text='    changes = unapplied(parse_changes(event["Records"], without_legacy_attributes), mark)',
        instead='    changes = parse_changes(event["Records"], without_legacy_attributes)',
    ),
    Guard(
        without="the first image of a key is written",
        file="tasks/core/conflict.py",
        text="change = replace(change, old=first.old, passed=(*first.passed, first.new))",
        instead="change = first",
    ),
    Guard(
        without="the fence does not wait",
        file="tasks/fence_source.py",
        text="    if passing.behind:",
        instead="    if False:",
    ),
    Guard(
        without="the drain of changes does not wait",
        file="tasks/drain_changes.py",
        text="    if passing.behind:",
        instead="    if False:",
    ),
    Guard(
        without="a late change is always applied",
        file="tasks/core/conflict.py",
        text="    return LateChange.TARGET_WINS\n",
        instead="    return LateChange.APPLY\n",
    ),
    Guard(
        without="a late change is written without its condition",
        file="tasks/core/conflict.py",
        text='        clauses.append(f"#{number} = :{number}")\n',
        instead="        pass\n",
    ),
    Guard(
        without="TTL before the proof",
        file="tasks/cut_over.py",
        text="        _expire_as_source(plan)\n",
        instead="",
    ),
    Guard(
        without="equal sums are enough whatever the counts",
        file="tasks/core/digest.py",
        text=" or self.counts[bucket] != other.counts[bucket]",
        instead="",
    ),
    Guard(
        without="one differing look is drift",
        file="tasks/core/drift.py",
        text="LOOKS_DRIFTED = 6",
        instead="LOOKS_DRIFTED = 1",
    ),
    Guard(
        without="an old execution goes on",
        file="tasks/aws/migration_record.py",
        text=("    if record is not None and record.run != run:\n        raise"),
        instead=("    if False:\n        raise"),
    ),
)
