"""Run every `pip install …` of README, docs, benchmarks, notebooks and Compose files in a bare environment.

The package index has Parallel's own package under our name. A line that took that one would install
without an error, and the next line of the page would fail; so each line has to leave ours behind.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
COMMAND = re.compile(r"\bpip install ([^\n`]+)")
NEEDS = {
    "agents": "from langchain_parallel import ParallelResearchMiddleware",
    "postgres": "import langgraph.checkpoint.postgres, langgraph.store.postgres",
    "reports": "import markdown_it",
    "sqlite": "import langgraph.checkpoint.sqlite",
    "webhooks": "from langchain_parallel.webhooks import webhook_app",
}
"""What an extra is for."""
WORKER = """
import runpy, uvicorn

assert runpy.run_path("docs/deployment/worker.py", run_name="worker")["app"]
"""
IS_OURS = """
import json
from importlib.metadata import distribution
from langchain_parallel import create_research_graph, ParallelTaskTool

installed = distribution("langchain-parallel")
origin = json.loads(installed.read_text("direct_url.json") or "{}").get("url", "the package index")
assert origin.startswith("file:"), f"this installed the package of the same name from {origin}"
"""


def commands(page: str) -> list[str]:
    """What a page tells to install, as arguments of `pip install`."""
    text = (ROOT / page).read_text()
    if page.endswith(".ipynb"):
        text = text.replace('\\"', '"').replace("\\n", "\n")
    return COMMAND.findall(text)


def run(*command: str | Path, cwd: Path) -> None:
    """Run to its end, and raise with its output where it fails."""
    # A test of these lines is no test of today's versions. The file is the copy's: pip splits at spaces.
    pinned = dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), "constraints.txt")
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **pinned, "PARALLEL_API_KEY": "key-of-a-test"},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(map(str, command))}\n{done.stdout}")


def check(page: str, arguments: str) -> None:
    """Follow the page in a copy of the checkout, as git has it, with an environment of its own."""
    with TemporaryDirectory() as folder:
        checkout, environment = Path(folder, "checkout"), Path(folder, "environment")
        run("git", "-C", ROOT, "checkout-index", "--all", f"--prefix={checkout}/", cwd=ROOT)
        run(sys.executable, "-m", "venv", environment, cwd=ROOT)
        python = environment / "bin" / "python"
        pip = [python, "-m", "pip", "--quiet"]
        run(*pip, "install", *shlex.split(arguments, comments=True), cwd=checkout)
        run(*pip, "check", cwd=checkout)
        run(python, "-I", "-c", IS_OURS, cwd=folder)
        for extra, needed in NEEDS.items():
            if re.search(rf"\[[^\]]*\b{extra}\b[^\]]*\]", arguments):
                run(python, "-I", "-c", needed, cwd=folder)
        if "uvicorn" in arguments:  # the page goes on with worker.py
            run(python, "-I", "-c", WORKER, cwd=checkout)


def passes(page: str, arguments: str) -> bool:
    """Check, and say how it went."""
    try:
        check(page, arguments)
    except RuntimeError as error:
        print(f"FAILED {page}: pip install {arguments}\n{error}", flush=True)
        return False
    print(f"ours   {page}: pip install {arguments}", flush=True)
    return True


listed = subprocess.run(
    ["git", "ls-files", "*.md", "*.ipynb", "docs/*.yaml"],
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
)
pages = [page for page in listed.stdout.splitlines() if page != "CHANGELOG.md"]
lines = [(page, arguments) for page in pages for arguments in commands(page)]
assert lines, "no page tells how to install the package"
with ThreadPoolExecutor(max_workers=2) as pool:
    passed = list(pool.map(lambda line: passes(*line), lines))
print(f"{sum(passed)} passed, {passed.count(False)} failed")
sys.exit(not all(passed))
