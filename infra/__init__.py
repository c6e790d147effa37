"""Where it runs: on AWS (`aws`), and on this machine (`local`).

`install` fetches what both are started with; `graph` draws the state machine.
"""
