"""What a process does whose file handles are all taken by others, for a while. Prints JSON.

python -m tests.client.missing_handles URL blocking|asynchronous
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from typing import Any

from langchain_parallel import ParallelError
from langchain_parallel._core.retry import RetryPolicy

from .both import Both, ask

held: list[int] = []


def take_all() -> None:
    """Leave no file handle free."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return


def give_all() -> None:
    """Free them again."""
    while held:
        os.close(held.pop())


def outcome(call: Any) -> dict[str, Any]:
    """What a call returned or raised."""
    try:
        value = call()
    except ParallelError as error:
        ids = (error.run_id, error.interaction_id)
        return {
            "error": type(error).__name__,
            "text": str(error),
            "ids": ids,
            "billed": error.billed,
        }
    run = getattr(value, "run", value)
    return {"run_id": run.run_id}


def main() -> None:
    """The first call ever is made without a handle, so that whatever it imports or opens is missing."""
    url, kind = sys.argv[1:]
    policy = RetryPolicy(max_attempts=2, initial_delay=0.02)
    api = Both(kind, "key", url, retry_policy=policy)  # type: ignore[arg-type]  # one of the kinds
    take_all()
    found = {"group": outcome(api.create_group)}
    give_all()
    ledger = api.create_group().taskgroup_id
    run = api.submit(ledger, ask()).run
    api.close()
    take_all()
    found["submit"] = outcome(lambda: api.submit(ledger, ask("another")))
    found["wait"] = outcome(lambda: api.wait(run.run_id, timeout=0.1))
    found["retrieve"] = outcome(lambda: api.retrieve(run.run_id))
    threading.Timer(0.3, give_all).start()
    found["waited"] = outcome(lambda: api.wait(run.run_id))
    found["submitted"] = outcome(lambda: api.submit(ledger, ask("another")))
    api.done()
    ids = (run.run_id, run.interaction_id)
    sys.stdout.write(json.dumps({"run_id": run.run_id, "ids": ids, **found}))


if __name__ == "__main__":
    main()
