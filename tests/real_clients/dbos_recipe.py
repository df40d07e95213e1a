"""Research as a DBOS workflow: a process that is killed and started again goes on with its run.

python dbos_recipe.py <folder> <question> …

The first time it starts the workflow; started again in the same folder, it goes on. Prints the answers.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from langchain_parallel import ParallelClient
from langchain_parallel.client import RetryPolicy
from langchain_parallel.models import TaskRunInput

dbos: Any = import_module("dbos")
DBOS: Any = dbos.DBOS
settling = os.environ.get("SETTLE_SECONDS", "75")  # the usual ones
client = ParallelClient(retry_policy=RetryPolicy(settle_seconds=float(settling)))


@DBOS.step()  # type: ignore[untyped-decorator]  # it is in its own environment alone
def begin(name: str) -> str:
    """The ledger of a workflow. Free: one that a killed process has made stays empty."""
    return client.create_group({"workflow": name}).taskgroup_id


@DBOS.step()  # type: ignore[untyped-decorator]  # it is in its own environment alone
def ask(ledger_id: str, question: str, position: str, after: str | None) -> dict[str, Any]:
    """One question. Run again at the same position, it finds the run that was paid for."""
    request = TaskRunInput(input=question, processor="lite", previous_interaction_id=after)
    # A process that was killed may have sent it a moment ago.
    sent = client.submit(ledger_id, request, position=position, lookup="until_settled")
    if os.environ.get("DIE_AT") == position:
        os.kill(os.getpid(), 9)
    result = client.wait(sent.run.run_id)
    return {"interaction_id": result.run.interaction_id, "content": str(result.output.content)}


@DBOS.workflow()  # type: ignore[untyped-decorator]  # it is in its own environment alone
def research(questions: list[str]) -> list[str]:
    """Each question builds on the answer before it."""
    ledger_id, after, answers = begin(str(DBOS.workflow_id)), None, []
    for position, question in enumerate(questions):
        answer = ask(ledger_id, question, str(position), after)
        after = answer["interaction_id"]
        answers.append(answer["content"])
    return answers


def main(folder: str, *questions: str) -> None:
    """Start the workflow, or go on with it."""
    path = Path(folder) / "dbos.sqlite"
    DBOS(config={"name": "research", "system_database_url": f"sqlite:///{path}"})
    DBOS.launch()  # continues what was cut off
    with dbos.SetWorkflowID("research"):
        print(*DBOS.start_workflow(research, list(questions)).get_result(), sep="\n")
    DBOS.destroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
