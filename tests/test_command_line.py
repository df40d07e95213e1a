"""`langchain-parallel`: every command, its help, and a sentence with an exit code for what goes wrong."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import langchain_parallel
from langchain_parallel.cli import command_line, main
from langchain_parallel.simulator import Fault, RunningServer, Simulator, serve

CANNOT_BE_IMPORTED = "raise RuntimeError('no database here')"
GRAPHS = {
    "raises": "def graph(): raise RuntimeError('no database here\\nand more')",
    "exits": "raise SystemExit(3)",
    "broken": CANNOT_BE_IMPORTED,
    "needs_more": "import no_such_package",
    "is_none": "graph = 7",
    "wants_more": "def graph(x): ...",
    "database": (
        "import sqlite3\n"
        "from contextlib import contextmanager\n"
        "@contextmanager\n"
        "def graph():\n"
        "    yield sqlite3.connect('/nowhere/at/all.sqlite')"
    ),
    "postgres": (
        "from langgraph.checkpoint.postgres import PostgresSaver\n"
        "def graph(): return PostgresSaver.from_conn_string('postgresql://me:s3cret@127.0.0.1:9/x').__enter__()"
    ),
    "asynchronous": "async def graph(): raise OSError(28, 'No space left on device')",
    "parked": (
        "from langgraph.checkpoint.memory import InMemorySaver\n"
        "from langchain_parallel import create_research_graph, ParallelClient\n"
        "graph = create_research_graph(wait='park', client=ParallelClient('k', 'http://127.0.0.1:9'))"
        ".compile(checkpointer=InMemorySaver())\n"
        "def asked():\n"
        "    graph.checkpointer.get_tuple = graph.checkpointer.list = None\n"
        "    return graph"
    ),
}
"""Modules that a person may name, by what is the matter with them."""
COMMANDS = ("demo", "research", "batch", "report", "check", "mcp", "sweep", "simulator")
NEEDED = {
    "sweep": ("--graph", "x:y"),
    "research": ("Who leads?",),
    "report": ("ses_1",),
    "batch": ("rows.csv", "--question", "Who leads?"),
}
"""What a command cannot do without."""
ROOT = Path(__file__).parents[1]


def exit_code(*arguments: str) -> int | str | None:
    try:
        return main(arguments)
    except SystemExit as ended:
        return ended.code


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_script_the_module_and_the_function_are_one() -> None:
    assert 'langchain-parallel = "langchain_parallel.cli:main"' in (
        ROOT / "pyproject.toml"
    ).read_text(encoding="utf-8")
    made = run("-m", "langchain_parallel", "--version")
    assert made.stdout == f"langchain-parallel {langchain_parallel.__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_help_lists_every_command(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == 0
    words = capsys.readouterr().out.split()
    assert set(words) >= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_own_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(command, "--help") == 0
    assert command in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        *((["--nonsense", name, *NEEDED.get(name, ())], "--nonsense") for name in COMMANDS),
        (["demo", "--live"], "set PARALLEL_API_KEY"),
        (["demo", "--latency-scale", "nan"], "'nan' is not a number from 0 up"),
        (["demo", "--kill"], "--kill goes with --live"),
        (["check", "--yes"], "PARALLEL_API_KEY"),
        (["check"], "PARALLEL_API_KEY"),  # before it asks for money
        (["sweep"], "--graph"),
        (["sweep", "--graph", "app"], "give MODULE:ATTRIBUTE"),
        (["research", "Who?", "--processor", "cor"], "'cor' is unknown; known are lite, "),
        (["batch", "rows.csv", "--question", "?", "--processor", "cor"], "'cor' is unknown"),
        (["mcp", "--processor", "cor"], "'cor' is unknown"),
        (["research", "Who?"], "Set the environment variable PARALLEL_API_KEY; keys are made"),
        (["batch", ".", "--question", "Who?"], "There is no file '.'"),
        (["simulator", "--port", "70000"], "'70000' is not a port"),
        (["simulator", "--latency-scale", "-1"], "'-1' is not a number from 0 up"),
        (["simulator", "--credit-usd", "nan"], "'nan' is not a number from 0 up"),
        (["simulator", "--script", '{"seconds": "x"}'], "seconds: Input should be a valid number"),
        (["simulator", "--listing", '{"page": 0}'], "page is 0; at least 1 is needed"),
        (["simulator", "--scenario", "nonsense"], "'nonsense' is no scenario"),
        (["simulator", "--scenario", "nonsense.json"], "'nonsense.json' is no scenario"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == 2
    printed = capsys.readouterr()
    assert reason in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "a scenario is a JSON object"),
        ('{"turns": [{"content": "x"}]}', "'match' must be"),
        ('{"turns": [{"match": {"regex": "("}}]}', "is no regular expression"),
    ],
)
def test_a_broken_scenario_is_named(
    text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    assert exit_code("simulator", "--scenario", str(file)) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("graph", "code", "reason"),
    [
        ("missing:graph", 2, "No module named 'missing'"),
        ("raises", 2, "names no graph"),
        ("raises:other", 2, "has no attribute 'other'"),
        ("raises:graph", 1, "RuntimeError: no database here ("),
        ("exits:graph", 2, "'exits' cannot be imported: SystemExit: 3."),
        ("broken:graph", 2, "'broken' cannot be imported: RuntimeError: no database here."),
        ("needs_more:graph", 2, "No module named 'no_such_package'"),
        ("is_none:graph", 2, "int is not a compiled graph"),
        ("wants_more:graph", 2, "must take no arguments"),
        ("database:graph", 1, "OperationalError: unable to open database file"),
        ("postgres:graph", 1, "OperationalError: connection"),
        ("asynchronous:graph", 1, "No space left on device"),
        ("parked:asked", 1, "TypeError: 'NoneType' object is not callable"),
    ],
)
def test_a_graph_that_cannot_be_had_is_a_sentence(  # noqa: PLR0917 -- fixtures
    graph: str,
    code: int,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in GRAPHS.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)  # where an installed command finds it, too
    monkeypatch.setattr("sys.path", list(sys.path))
    assert exit_code("sweep", "--graph", graph) == code
    printed = capsys.readouterr()
    assert printed.err.startswith("langchain-parallel sweep: error: ")
    assert reason in printed.err
    assert printed.err.count("\n") == 1
    assert "s3cret" not in printed.err
    assert printed.out == ""


def test_developers_may_see_where_an_error_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raises_too.py").write_text(GRAPHS["raises"], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    assert exit_code("sweep", "--graph", "raises_too:graph") == 1
    assert "`--traceback sweep …` shows where" in capsys.readouterr().err
    assert exit_code("--traceback", "sweep", "--graph", "raises_too:graph") == 1
    assert 'raises_too.py", line 1, in graph' in capsys.readouterr().err


def test_an_api_that_cannot_be_reached_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARALLEL_API_KEY", "key")
    monkeypatch.setenv("PARALLEL_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    assert exit_code("check", "--yes") == 1
    said = capsys.readouterr().err
    assert said.startswith("langchain-parallel check: error: The API could not be reached")
    assert said.count("\n") == 1


def test_a_warning_of_a_command_has_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("langchain_parallel")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with command_line._logging_in_sentences():
        log.warning("Thread %s failed", "t", exc_info=ValueError("x"))
    assert capsys.readouterr().err == "langchain-parallel: Thread t failed\n"
    assert log.handlers == []


REAL = [
    # arguments, what standard output is, exit code, what is said
    (["simulator"], "closed pipe", 141, "nobody reads the output any more"),
    (["simulator"], "closed pipes", 141, ""),
    (["sweep", "--graph", "tests.parked.graphs:plain"], "full disk", 1, "No space left on device"),
    (["sweep", "--graph", "tests.parked.graphs:plain"], "nothing", 0, ""),
]


@pytest.mark.usefixtures("simulated_api")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no /dev/full there")
@pytest.mark.parametrize(("arguments", "output", "code", "said"), REAL)
def test_output_that_cannot_be_written_is_a_sentence(
    arguments: list[str], output: str, code: int, said: str
) -> None:
    command = shlex.join([sys.executable, "-m", "langchain_parallel", *arguments])
    # A closed pipe: a reader that has gone by the time something is written.
    shell = {
        "closed pipe": f"{{ sleep 0.1; {command}; echo $? >&2; }} | true",
        "closed pipes": f"exec 3>&2; {{ sleep 0.1; {command} 2>&1; echo $? >&3; }} | true",
        "full disk": f"{command} > /dev/full; echo $? >&2",
        "nothing": f"{command} >&-; echo $? >&2",
    }[output]
    done = subprocess.run(
        ["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    *lines, printed = done.stderr.splitlines()
    assert int(printed) == code, done.stderr
    assert len(lines) == bool(said), done.stderr
    assert not said or said in lines[0]


@pytest.mark.usefixtures("simulated_api")
@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["check"], 130, "langchain-parallel check: error: interrupted\n"),
        (["simulator"], 0, ""),  # it is ended so
    ],
)
def test_ctrl_c_ends_a_command(arguments: list[str], code: int, said: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "langchain_parallel", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1)  # it has begun
        process.send_signal(signal.SIGINT)
        # A signal that comes just before a process begins to read is noticed when it has read something.
        with suppress(BrokenPipeError):
            process.stdin.write("y\n")
            process.stdin.flush()
        assert process.wait(30) == code
        assert process.stderr.read() == said


def test_a_missing_extra_is_named_with_the_line_that_installs_it() -> None:
    code = (
        "import sys; sys.modules['langgraph.checkpoint.sqlite'] = None;"
        "from langchain_parallel.cli import main; sys.exit(main(['demo']))"
    )
    made = run("-c", code)
    assert made.returncode == 2
    assert made.stderr.endswith(
        "Install what this command needs: pip install 'langchain-parallel[demo]'\n"
    )
    assert "Traceback" not in made.stderr


@pytest.mark.usefixtures("simulated_api")
def test_an_error_of_the_api_is_a_sentence_and_exit_code_1(
    simulator_server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator_server.simulator.faults.add(Fault("status_before", status=403))
    assert exit_code("check", "--yes") == 1
    assert capsys.readouterr().err.startswith("langchain-parallel check: error: ")


@pytest.mark.usefixtures("simulated_api")
def test_an_interrupt_ends_a_command_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        def readline(self) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Interrupted())
    assert exit_code("check") == 130
    assert capsys.readouterr().err == "langchain-parallel check: error: interrupted\n"


def test_the_simulator_says_which_address_is_taken(
    simulator_server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("simulator", "--port", str(simulator_server.port)) == 1
    error = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{simulator_server.port}" in error


def test_the_demo_finds_the_run_of_the_killed_worker() -> None:
    made = run("-m", "langchain_parallel", "demo", "--latency-scale", "0.001")
    assert made.returncode == 0, made.stderr
    assert "  1 source read" in made.stdout
    assert "Runs billed for the third question: 1. The API's bill: $0.15." in made.stdout
    assert made.stdout.endswith("The run of the killed worker was found in the ledger and used.\n")


@pytest.mark.parametrize(
    "arguments", [["research", "Who?"], ["report", "ses_1"], ["mcp"]], ids=lambda given: given[0]
)
@pytest.mark.usefixtures("simulated_api")
def test_a_file_that_holds_no_sessions_is_named(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments == ["mcp"]:
        pytest.importorskip("mcp", reason="the package of the extra `mcp`")
    file = tmp_path / "other.sqlite"
    file.write_text("This is no database, and it is longer than the head of one would be." * 20)
    assert exit_code(*arguments, "--db", str(file)) == 2
    error = capsys.readouterr().err
    assert f"The sessions in {file} cannot be opened: file is not a database." in error
    assert "`--db FILE`" in error
    assert "Traceback" not in error


def test_the_price_of_a_batch_needs_no_key_and_the_batch_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "firms.csv"
    rows.write_text("company\nMaker A\nMaker B\n")
    asked = ["batch", str(rows), "--question", "Who runs {company}?"]
    assert exit_code(*asked, "--dry-run") == 0
    assert capsys.readouterr().out == "2 rows with core: $0.05; a run takes 60 s to 5 min.\n"
    assert exit_code(*asked, "--yes") == 2
    printed = capsys.readouterr()
    assert "PARALLEL_API_KEY" in printed.err
    assert printed.out == ""


@pytest.mark.usefixtures("simulated_api")
def test_the_mcp_server_says_which_address_is_taken(
    simulator_server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("mcp", "--http", "--port", str(simulator_server.port)) == 1
    where = f"127.0.0.1:{simulator_server.port}"
    assert f"cannot listen on {where}: Address already in use" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
@pytest.mark.parametrize("command", ["research", "demo"])
def test_ctrl_c_ends_a_command_that_waits_for_a_run(command: str, tmp_path: Path) -> None:
    """Of a run that takes minutes; a session that is paid for is named."""
    arguments = {
        "research": ["research", "Who leads?", "--db", str(tmp_path / "sessions.sqlite")],
        "demo": ["demo", "--latency-scale", "0.15"],
    }[command]
    begun = {"research": "[simulated] ", "demo": "  "}[command]
    with (
        serve(Simulator(latency_scale=0.15)) as server,
        subprocess.Popen(
            [sys.executable, "-u", "-m", "langchain_parallel", *arguments],
            cwd=ROOT,
            env={**os.environ, "PARALLEL_API_KEY": "key", "PARALLEL_BASE_URL": server.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith(begun):
                break
        process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=12)[0]
        assert process.returncode == 130
    assert said.endswith(f"langchain-parallel {command}: error: interrupted\n")
    assert "Traceback" not in said
    if command == "research":
        assert "session ses_" in said
        assert "Nothing is lost, or paid for again: the same command goes on.\n" in said
        assert len(server.simulator.runs()) == 1
