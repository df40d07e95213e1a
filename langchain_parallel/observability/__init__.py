"""What those who operate a program see of it: log records always.

log_questions  have log records show what was asked
"""

from .question_logs import log_questions

__all__ = ["log_questions"]
