"""A process that has imported everything, says `ready`, and forks a child for each job:
`python -m tests.crash.zygote`.

Jobs come in as lines of JSON, and reports go out as such. It has one thread, so that forking is safe.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import warnings

import anyio._backends._asyncio  # noqa: F401 -- what a child would import at its first call

from .child import Job, work


def main() -> None:
    """Fork, wait, report; until the input ends."""
    print("ready", flush=True)
    warnings.simplefilter("ignore")
    gc.freeze()  # or each child copies all of it when it first collects garbage
    for line in sys.stdin:
        job: Job = json.loads(line)
        assert threading.active_count() == 1
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            work(job, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(pid, 0)
        report = json.loads(told) if told.strip() else {}
        report["signal"] = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
