"""Tables: one question for each row, each paid for once, and answered cell by cell."""

from .enricher import Enricher
from .questions import Question
from .row_answer import Cell, CellSource, ResearchRow
from .row_claims import PostgresClaims, RowClaim, RowClaims, SqliteClaims
from .row_source import Rows
from .table import ResearchTable, aresearch_table, astream_table, research_table, stream_table
from .table_files import RowWriter, open_writer, write_rows
from .table_flow import BatchProgress
from .table_job import TableOptions
from .table_node import create_table_node
from .table_plan import TablePlan
from .table_trace import ROW_EVENT, RowEnd

__all__ = [
    "ROW_EVENT",
    "BatchProgress",
    "Cell",
    "CellSource",
    "Enricher",
    "PostgresClaims",
    "Question",
    "ResearchRow",
    "ResearchTable",
    "RowClaim",
    "RowClaims",
    "RowEnd",
    "RowWriter",
    "Rows",
    "SqliteClaims",
    "TableOptions",
    "TablePlan",
    "aresearch_table",
    "astream_table",
    "create_table_node",
    "open_writer",
    "research_table",
    "stream_table",
    "write_rows",
]
