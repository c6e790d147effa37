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
            "    receipts.put_sent(plan.run, checkpoint.segment, Sent(checkpoint.pages, digests, page.count), claim=claim)\n"
        ),
        instead=(
            "    digests = tuple(read_header(record).digest for record in records)\n"
            "    receipts.put_sent(plan.run, checkpoint.segment, Sent(checkpoint.pages, digests, page.count), claim=claim)\n"
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
            "                apply_changes(plan, rule.rule, shard, stretch, applied)\n"
            "                # Only now: a watermark that passes a change which is not applied would let the cut-over lose it.\n"
            "                mark = passed(mark, shard, stretch, applied_at=time.time(), rule_since=rule.since)\n"
            "                watermarks.put_watermark(mark)\n"
        ),
        instead=(
            "                mark = passed(mark, shard, stretch, applied_at=time.time(), rule_since=rule.since)\n"
            "                watermarks.put_watermark(mark)\n"
            "                apply_changes(plan, rule.rule, shard, stretch, applied)\n"
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
        without="a late change is judged again when it comes again",
        file="tasks/aws/late_changes.py",
        text="if not self._is_dealt_with(change, entries.get(late_ledger.name_of(change.key)))",
        instead="if True",
    ),
    Guard(
        without="a late change without its entry",
        file="tasks/aws/target.py",
        text=', {"Put": entry}]',
        instead=', {"Put": {**entry, "ConditionExpression": "attribute_not_exists(nothing)"}}]',
    ),
    Guard(
        without="an entry over whatever stands there",
        file="tasks/aws/control.py",
        text='            "ConditionExpression": "#mark = :over",\n',
        instead='            "ConditionExpression": "attribute_exists(#mark) OR #mark = :over",\n',
    ),
    Guard(
        without="an overruled change is kept though another call was here",
        file="tasks/aws/late_changes.py",
        text="            if self._entered(change) != entered:",
        instead="            if False:",
    ),
    Guard(
        without="a watermark may be set back",
        file="tasks/aws/control.py",
        text=" OR #position <= :position",
        instead=" OR attribute_exists(#position)",
    ),
    Guard(
        without="groups with drift are settled",
        file="tasks/compare_digests.py",
        text="        if not drift.total:\n",
        instead="        if True:\n",
    ),
    Guard(
        without="a group is settled before its last key",
        file="tasks/compare_digests.py",
        text="        groups.append(group)\n        if time",
        instead="        if time",
    ),
    Guard(
        without="a late change that wrote nothing is not entered",
        file="tasks/aws/late_changes.py",
        text="        if not late_ledger.enter(entry):\n            self._check_entered(change)\n",
        instead="",
    ),
    Guard(
        without="what is dealt with counts when the rest is merged",
        file="tasks/aws/late_changes.py",
        text="last_per_key(fresh, self.plan.key)",
        instead="last_per_key(changes, self.plan.key)",
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
        text=("    if record is not None and record.run != plan.run:\n        raise"),
        instead=("    if False:\n        raise"),
    ),
    Guard(
        without="an execution that was resumed goes on beside the one that resumes it",
        file="tasks/aws/migration_record.py",
        text="    if newest is not None and newest.begun_at > plan.begun_at:\n",
        instead="    if False:\n",
    ),
    Guard(
        without="a redriven fence falls into a resumed backfill",
        file="tasks/fence_source.py",
        text="    migration_record.check_latest(request.plan)\n",
        instead="",
    ),
    Guard(
        without="a redriven purge beside a resumed backfill",
        file="tasks/purge_tombstones.py",
        text="    migration_record.check_latest(request.plan)\n",
        instead="",
    ),
    Guard(
        without="a redriven cut-over beside a resumed backfill",
        file="tasks/cut_over.py",
        text="        migration_record.check_latest(plan)\n",
        instead="",
    ),
    Guard(
        without="a child that outlives its execution claims its segment back",
        file="tasks/scan_segment.py",
        text="    migration_record.check_latest(plan)\n",
        instead="",
    ),
    Guard(
        without="the writer is attached again behind a closed door",
        file="tasks/attach_writer.py",
        text="    if rule is not None and rule.rule is not ReplicationRule.LEAVE_TOMBSTONES:\n",
        instead="    if False:\n",
    ),
    Guard(
        without="a writer that is attached again is not waited for again",
        file="tasks/attach_writer.py",
        text="    migration_record.forget_writer_gone()\n",
        instead="",
    ),
    Guard(
        without="pages are sent behind a closed door",
        file="tasks/aws/segment_reading.py",
        text="    if rule is not None and rule.run == plan.run and rule.rule is not ReplicationRule.LEAVE_TOMBSTONES:\n",
        instead="    if False:\n",
    ),
    Guard(
        without="the ledger mixes the pages of two scans",
        file="tasks/aws/receipts.py",
        text='f"sent#{sent.page:08}", entry, claim=claim, over=claim)',
        instead='f"sent#{sent.page:08}", entry, claim=claim, over=claim + 99)',
    ),
    Guard(
        without="a scan that was overtaken says how far the segment is",
        file="tasks/aws/receipts.py",
        text='"checkpoint", _noted(checkpoint), claim=claim, over=claim\n',
        instead='"checkpoint", _noted(checkpoint), claim=claim, over=claim + 99\n',
    ),
    Guard(
        without="a segment stays done while it is scanned again",
        file="tasks/aws/receipts.py",
        text='"checkpoint", _noted(checkpoint), claim=last + 1, over=last\n',
        instead='"checkpoint", {**_noted(checkpoint), "state": "done"}, claim=last + 1, over=last\n',
    ),
    Guard(
        without="an older history is believed where it had come further",
        file="tasks/core/checkpoints.py",
        text="            if segment in self._found or not checkpoints:\n",
        instead="            if not checkpoints:\n",
    ),
    Guard(
        without="a segment is scanned on behind a page that was given up",
        file="tasks/core/checkpoints.py",
        text="and (limit is None or checkpoint.pages <= limit)",
        instead="and True",
    ),
    Guard(
        without="a copy that lacks changes is gone on with",
        file="tasks/core/resume.py",
        text='    return [f"{words}; {anew}" for holds, words in reasons if holds][:1]\n',
        instead='    return [f"{words}; {anew}" for holds, words in reasons if not words][:1]\n',
    ),
    Guard(
        without="a run is gone on with after another one",
        file="tasks/core/resume.py",
        text="    if newest is not None and newest.begun_at > plan.begun_at:\n        # A later scan",
        instead="    if False:\n        # A later scan",
    ),
    Guard(
        without="another number of segments",
        file="tasks/core/resume.py",
        text="    if total_segments is not None and total_segments != plan.total_segments:\n",
        instead="    if False:\n",
    ),
    Guard(
        without="a wait that was given up is given up again at once",
        file="tasks/plan_segments.py",
        text="    backfill_drain.begin_anew(plan.run)\n",
        instead="",
    ),
)
