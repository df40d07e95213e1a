"""What those who operate a program see of it. Its log records need nothing of this.

instrument     spans and metrics of OpenTelemetry    (extra: otel)
log_questions  have log records show what was asked
"""

from .instruments import instrument
from .question_logs import log_questions

__all__ = ["instrument", "log_questions"]
