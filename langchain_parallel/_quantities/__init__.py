"""Numbers, amounts and dates in running text of many languages and scripts.

Rule: a text is read, never interpreted: `1.234` has two readings, and both are given. Pure, linear in the
length of the text.
"""

from .date_reader import Day, read_days
from .digit_groups import Reading
from .letters import level
from .quantity_reader import Quantity, read_quantities

__all__ = ["Day", "Quantity", "Reading", "level", "read_days", "read_quantities"]
