"""Ask the same question for each row of a file, and write the rows with their answers. Tells the price first.

    langchain-parallel batch companies.csv --question "Who runs {company}?" --columns ceo,employees
    langchain-parallel batch companies.csv --question "Who runs {company}?" --dry-run

The id of the batch is kept beside the output file before anything is paid. The same command goes on with it:
rows that are paid for are found, and only the others are sent.
"""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from .._core.plain_text import count, one_line
from ..batch import ResearchTable, research_table
from ..batch.table_files import check_target
from ..client import ParallelClient
from ..errors import InvalidRequest, MissingKey
from ..options import Limits
from ..text.format import usd
from .command_line import command_parser, processor_name
from .terminal import complain, confirm, say

_SHOWN_ERRORS = 10
_ERROR_CHARS = 300


def main(arguments: list[str]) -> int:
    """Ask and write; the exit code is 1 if a row has no answer, 2 if the user declines."""
    parser = command_parser("batch", __doc__)
    parser.add_argument("rows", type=Path, help="a .csv, .tsv, .jsonl or .parquet file")
    parser.add_argument(
        "--question", required=True, help="with {column} in it; or the name of a column"
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--columns", help="of the answer, separated by commas")
    shape.add_argument("--schema", type=Path, help="a file with the JSON schema of the answer")
    parser.add_argument(
        "--processor",
        type=processor_name,
        default="core",
        help="for each row; default: %(default)s",
    )
    parser.add_argument("--row-id", metavar="COLUMN", help="tells rows apart that ask the same")
    parser.add_argument("--max-cost-usd", type=float, metavar="USD", help="for the whole batch")
    parser.add_argument(
        "--output", type=Path, help="default: the file with `.answers` before its ending"
    )
    parser.add_argument(
        "--batch-id", help="go on with this batch; default: the one kept beside the output"
    )
    parser.add_argument(
        "--new", action="store_true", help="begin another batch, which is paid for anew"
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell the price; free")
    parser.add_argument("--yes", action="store_true", help="spend without asking")
    return _run(parser.parse_args(arguments))


def _run(options: Namespace) -> int:
    source: Path = options.rows
    if not source.is_file():
        raise InvalidRequest([f"There is no file {str(source)!r:.200}."])
    output: Path = options.output or source.with_suffix(f".answers{source.suffix}")
    _check_output(output, source)
    kept = output.with_name(f"{output.name}.batch")
    asked = _table_options(options)
    before = _kept_id(kept)
    if batch_id := _batch_id(options, before):
        asked["batch_id"] = batch_id
    asked["client"] = _client(asks=bool(batch_id) or not options.dry_run)
    plan = research_table(source, options.question, dry_run=True, **asked).plan
    say(plan)
    if options.dry_run:
        return 0
    if not options.yes and not confirm("The rows that are not paid for yet are sent."):
        say("Nothing was started. `--yes` starts it without asking.")
        return 2

    def keep(batch_id: str) -> None:
        _keep(batch_id, kept, before)
        complain(f"batch {batch_id}, kept in {kept}: the same command goes on with it.")

    table = research_table(source, options.question, on_begin=keep, **asked)
    table.write(output)
    return _tell(table, output)


def _check_output(output: Path, source: Path) -> None:
    """Refuse, before anything is paid, a file that could not be written after it."""
    try:
        check_target(output)
    except OSError as error:
        raise InvalidRequest(
            [f"{str(output)!r:.200} cannot be written: {error.strerror}."]
        ) from None
    if output.exists() and output.samefile(source):
        raise InvalidRequest([f"{str(output)!r:.200} holds the rows; give another `--output`."])


def _kept_id(kept: Path) -> str:
    return kept.read_text(encoding="utf-8").strip() if kept.exists() else ""


def _keep(batch_id: str, kept: Path, before: str) -> None:
    """Write the id down in the place of the one `before`, which is there until it is replaced as a whole.

    Raises:
        InvalidRequest: Another call has written down its own meanwhile; nothing was sent for this one.
    """
    if (there := _kept_id(kept)) == batch_id:
        return
    if there != before:
        raise InvalidRequest(
            [f"{kept} has batch {there} by now, of another call. The same command goes on with it."]
        )
    if before:
        complain(f"{kept} had batch {before}, which `--batch-id {before}` goes on with.")
    if not kept.exists():
        with kept.open("x", encoding="utf-8") as file:
            file.write(batch_id)
        return
    new = kept.with_name(f"{kept.name}.new")
    new.write_text(batch_id, encoding="utf-8")
    new.replace(kept)


def _client(*, asks: bool) -> ParallelClient:
    """The account's client; the price of a new batch needs no key.

    Raises:
        MissingKey: There is none, and the API is asked.
    """
    try:
        return ParallelClient()
    except MissingKey:
        if asks:
            raise
        return ParallelClient("none: nothing is sent")


def _table_options(options: Namespace) -> dict[str, Any]:
    """What the table is given beside its rows and question."""
    asked: dict[str, Any] = {"processor": options.processor}
    if options.columns:
        given = [name.strip() for name in options.columns.split(",")]
        names = list(dict.fromkeys(name for name in given if name))
        if not names:
            raise InvalidRequest([f"--columns {options.columns!r:.100} names no column."])
        properties = {name: {"type": "string"} for name in names}
        asked["output_schema"] = {
            "type": "object",
            "properties": properties,
            "required": names,
            "additionalProperties": False,
        }
    if options.schema:
        try:
            asked["output_schema"] = json.loads(options.schema.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidRequest(
                [f"{str(options.schema)!r:.200} is no JSON schema: {error}."]
            ) from error
    if options.row_id:
        asked["row_id"] = options.row_id
    if options.max_cost_usd is not None:
        asked["limits"] = Limits(max_cost_usd=options.max_cost_usd, on_exceed="stop")
    return asked


def _batch_id(options: Namespace, before: str) -> str | None:
    if options.new:
        return None
    return options.batch_id or before or None


def _tell(table: ResearchTable, output: Path) -> int:
    cost = "" if table.cost_usd is None else f", {usd(table.cost_usd)}"
    say(f"{count(len(table), 'row')} in {output}{cost}; {count(len(table.errors), 'error')}.")
    for row in table.errors[:_SHOWN_ERRORS]:
        complain(one_line(f"  row {row.number}: {row.error}", _ERROR_CHARS))
    return 1 if table.errors else 0
