"""The steps of the research graph, a module each.

Rule: `submit` holds the one paid effect and nothing else, so that its run id is checkpointed before anything
else can fail. What its key is made from (the ledger, the position, the question) was checkpointed by `plan`
before it. Every step is written once for blocking and asynchronous runs (`_core/calls.py`) and may run again
at any time: `plan`, `approve`, `evaluate` and `review` cost nothing, `submit` adopts what it finds, `wait`
reads a run as often as it likes.
"""

__all__: list[str] = []
