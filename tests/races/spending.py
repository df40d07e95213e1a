"""One process with several callers that ask on threads of their own, under one quota, when all are ready.

python -m tests.races.spending '{"api": …, "place": …, "store": …, "whose": …, "most": …, "folder": …}'
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from langchain_parallel import ParallelClient, create_research_graph
from langchain_parallel.options import Limits, Quota

from ..crash.storage import opened

EACH = 4


def main() -> None:
    """Ask, and let every error end the process."""
    job = json.loads(sys.argv[1])
    client = ParallelClient("key-of-a-test", job["api"])
    quota = Quota(max_cost_usd=job["most"], per=lambda _: str(job["whose"]))
    limits = Limits(quotas=[quota], on_exceed="stop")
    with opened(job["place"], store=job["store"]) as storage:
        made = create_research_graph(processor="lite", client=client, limits=limits)
        graph: Any = made.compile(**storage)
        folder = Path(job["folder"])
        (folder / f"ready-{uuid.uuid4().hex}").touch()
        while not (folder / "go").exists():
            time.sleep(0.001)

        def ask(nth: int) -> None:
            thread_id = f"{job['whose']}-{uuid.uuid4().hex}"
            config = {"configurable": {"thread_id": thread_id}}
            graph.invoke({"question": f"Number {nth}?"}, config, durability="sync")

        with ThreadPoolExecutor(EACH) as pool:
            list(pool.map(ask, range(EACH)))


if __name__ == "__main__":
    main()
