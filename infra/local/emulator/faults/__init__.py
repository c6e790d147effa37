"""Faults on demand: calls refused, lost, torn or delayed at the gateway, and their callers killed.

Nothing of this is known to `tasks/` and `workflow/`: they meet faults as they would on AWS.
"""
