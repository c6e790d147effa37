"""The registry of the functions: all that is known of one on AWS stands in one entry, and the other modules ask here.

| module | what |
|---|---|
| `registry` | the list of all, and questions about it |
| `function`, `grants` | what an entry is made of |
| `preparation`, `backfill`, `proof`, `cut_over` | the entries of states, by phase |
| `streams` | the entries of the two functions that streams drive |
| `watch` | the entry of the function that a schedule calls |

A function is added by adding its entry to a phase: no other module of `infra/aws` names a state.
"""
