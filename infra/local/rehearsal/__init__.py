"""Our own use of the local AWS: a migration deployed there, and everything needed to see it happen and be judged.

| folder or module | what |
|---|---|
| `deploy` | a migration's stack in the local AWS |
| `scene` | a table of airports, filled, and the settings of its migration |
| `owner` | the application that owns the table and writes to it all the time |
| `judge` | compares tables with that application's journal |
| `demo`, `playground` | `make demo`; `make local` |
"""
