"""What a copy costs, ours and others' side by side: `make bench`, and docs/benchmarks.md.

`__main__` runs it all. `on_null` measures against an engine of canned answers, so that a copier's own cost is seen
alone; `on_local` against DynamoDB Local, quiet and under live writes, where it is judged whether a copy is exact. Each
copier in `copiers/` is a process of its own. Nothing here is timed in `make test`: its tests hold the harness only.
"""
