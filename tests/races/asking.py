"""One process that asks its question on a thread when all of them are ready.

python -m tests.races.asking '{"api": …, "place": …, "thread_id": …, "question": …, "folder": …}'
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from langchain_parallel import ParallelClient, create_research_graph

from ..crash.storage import opened


def main() -> None:
    """Ask, and print the error if there is one."""
    job = json.loads(sys.argv[1])
    client = ParallelClient("key-of-a-test", job["api"])
    with opened(job["place"], store=False) as storage:
        graph: Any = create_research_graph(processor="lite", client=client).compile(**storage)
        folder = Path(job["folder"])
        (folder / f"ready-{uuid.uuid4().hex}").touch()
        while not (folder / "go").exists():
            time.sleep(0.001)
        config = {"configurable": {"thread_id": job["thread_id"]}}
        graph.invoke({"question": job["question"]}, config, durability="sync")


if __name__ == "__main__":
    main()
