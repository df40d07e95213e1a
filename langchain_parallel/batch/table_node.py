"""A node of a user's own graph, in which a list of the state becomes a table.

Rule: the node is a step with a table: its batch is recorded in the thread before anything is paid
(`batch_of_step.py`), so a step that runs again pays for nothing twice. Into the state go plain JSON and ids.
"""

from __future__ import annotations

from typing import Any, Literal, cast

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from typing_extensions import Unpack

from .._core.kinds import check_words, kind_of
from .._graph.runtime import state_value
from .._graph.user_key import hide_key
from ..errors import InvalidRequest
from ..parked.interrupts import check_can_park, is_parking
from .questions import Question
from .row_source import TEXT_COLUMN
from .table import ResearchTable, aresearch, research
from .table_job import TableJob, TableOptions, hide_secrets

_OF_THE_STEP = ("batch_id", "config")
"""Options that the step itself has."""


def create_table_node(
    rows: str,
    answers: str,
    question: Question = TEXT_COLUMN,
    *,
    wait: Literal["block", "park"] = "block",
    **options: Unpack[TableOptions],
) -> Runnable[Any, dict[str, Any]]:
    """A node that asks one question for each row of a list in the state.

    ```python
    graph.add_node("research", create_table_node("companies", "profiles", "Who runs {company}?"))
    ```

    Args:
        rows: The key of the state with the rows: a list of dicts, of models, or of texts.
        answers: The key that gets the answers, in the order of the rows. Each is a dict: `row`, `answer`
            (None where there is an `error`), `confidence`, `sources`, `run_id`, `interaction_id`, `cost_usd`.
        question: As for `research_table`.
        wait: `block`, or `park`: while runs are active the thread waits in an interrupt, without a process,
            and is woken once for the whole batch. Without a checkpointer, or with `durability="exit"`, it
            blocks.
        options: Those of `research_table`, but for `batch_id` and `config`, which the step has itself.

    Raises:
        InvalidRequest: An option is wrong; when the node runs: the state has no list there.
        MissingKey: There is no API key.
    """
    options = hide_secrets(options)
    check_words({"wait": wait}, {"wait": ("block", "park")})
    if taken := [name for name in _OF_THE_STEP if name in options]:
        raise InvalidRequest([f"{', '.join(taken)}: a node has those of its step; leave it out."])
    client = TableJob.of([], question, options).sync  # one for all steps, which a sweep finds
    options.pop("api_key", None)
    options.pop("base_url", None)
    options["client"] = client

    def read_rows(state: Any) -> list[Any]:
        found = state_value(state, rows)
        if not isinstance(found, list | tuple):
            raise InvalidRequest([f"{rows} of the state is {kind_of(found)}; it must be a list."])
        return [*found]

    def update(table: ResearchTable) -> dict[str, Any]:
        return {answers: [row.to_json() for row in table]}

    def make_job(state: Any, config: RunnableConfig) -> TableJob:
        job = TableJob.of(read_rows(state), question, {**options, "config": hide_key(config)})
        check_can_park(wait, config)
        job.parks = is_parking(wait, config)
        return job

    def step(state: Any, config: RunnableConfig) -> dict[str, Any]:
        return update(research(make_job(state, config)))

    async def astep(state: Any, config: RunnableConfig) -> dict[str, Any]:
        return update(await aresearch(make_job(state, config)))

    node: Any = RunnableLambda(step, astep, name="research_table")
    return cast("Runnable[Any, dict[str, Any]]", node)
