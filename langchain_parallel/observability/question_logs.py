"""Whether logs show what was asked."""

from __future__ import annotations

from .._telemetry import LISTENING


def log_questions(shown: bool = True) -> None:
    """Have the log records of started and adopted runs show their questions, cut to 300 characters.

    Questions may hold what people have said in confidence; no log shows them unless this is called. Traces
    and metrics never do.
    """
    LISTENING.questions = shown
