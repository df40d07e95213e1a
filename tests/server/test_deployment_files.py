"""What a deployment is made from: langgraph.json, the Compose files, and the pages that explain them."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # langchain-core brings it, without its types

from langchain_parallel._graph.graph_names import with_fingerprint
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Quota
from langchain_parallel.server.deployment import PREFIX, Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "deployment"
COMPOSE = sorted(FOLDER.glob("compose.*.yaml"))
PAGES = (
    *(f"operate/{name}" for name in ("deployment", "langgraph-server", "workers", "users")),
    "reference/environment",
)
PAGE = "\n".join((ROOT / "docs" / f"{name}.md").read_text() for name in PAGES)
CONFIG = json.loads((ROOT / "langgraph.json").read_text())
OPTIONAL = ["LANGSMITH_API_KEY", "LANGGRAPH_CLOUD_LICENSE_KEY"]
"""Secrets of which one of two is needed."""


def tabled() -> dict[str, list[str]]:
    """By variable, the other cells of its row."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    return {name: cells[1:] for cells in rows for name in re.findall(r"`([A-Z_]+)`", cells[0])}


def test_the_environment_sets_approvers_and_quotas() -> None:
    given = {"APPROVERS": "anna, permission:spend", "USER_USD_PER_DAY": "2"}
    settings = Settings.from_environment({PREFIX + n: v for n, v in given.items()})
    limits = settings.graph_options()["limits"]
    assert limits.approvers == ("anna", "permission:spend")
    assert limits.quotas == (Quota(max_cost_usd=2.0, per="user"),)
    both = {**given, "TOTAL_USD_PER_DAY": "9"}
    settings = Settings.from_environment({PREFIX + n: v for n, v in both.items()})
    assert settings.graph_options()["limits"].quotas[1] == Quota(max_cost_usd=9.0, per="all")
    for name, wrong in (("APPROVERS", ","), ("USER_USD_PER_DAY", "-1"), ("USER_USD_PER_DAY", "x")):
        with pytest.raises(InvalidRequest):
            Settings.from_environment({PREFIX + name: wrong}).graph_options()


def test_what_langgraph_json_names_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("starlette")
    monkeypatch.setenv("PARALLEL_API_KEY", "key-of-a-test")
    graphs = CONFIG["graphs"].values()
    assert all(graph["description"] for graph in graphs)
    for name in [*(graph["path"] for graph in graphs), CONFIG["http"]["app"]]:
        module, _, attribute = name.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))


def test_an_image_can_be_made_of_langgraph_json(tmp_path: Path) -> None:
    """`langgraph build` would feed this very file to Docker."""
    pytest.importorskip("langgraph_cli", reason="langgraph-cli is not installed")
    command = [sys.executable, "-m", "langgraph_cli", "dockerfile", "Dockerfile"]
    subprocess.run(
        [*command, "--config", str(ROOT / "langgraph.json")],
        cwd=tmp_path,
        env={**os.environ, "LANGGRAPH_CLI_NO_ANALYTICS": "1"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    written = (tmp_path / "Dockerfile").read_text()
    assert f"ADD . /deps/{ROOT.name}" in written
    assert f"LANGSERVE_GRAPHS='{json.dumps(CONFIG['graphs'])}'" in written
    assert f"LANGGRAPH_HTTP='{json.dumps(CONFIG['http'])}'" in written


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


by_file = pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)


@by_file
def test_a_compose_file_is_of_the_compose_specification(path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(path)], check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout.decode()


@by_file
def test_a_compose_file_refers_to_what_is_there(path: Path) -> None:
    made = load(path)
    services = made["services"]
    for service in services.values():
        for name, waits in service.get("depends_on", {}).items():
            if waits["condition"] == "service_healthy":
                assert services[name]["healthcheck"]["test"]
            else:
                assert services[name]["restart"] == "no"
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert volumes <= set(made["volumes"])
        assert {config["source"] for config in service.get("configs", ())} <= set(made["configs"])
    proxied = re.findall(r"dynamic a (\w+) 8000", made["configs"]["caddyfile"]["content"])
    assert len(proxied) == 2
    assert set(proxied) <= set(services)


@by_file
def test_what_a_compose_file_asks_for_is_documented_and_no_secret_is_in_it(path: Path) -> None:
    asked = dict(re.findall(r"\$\{([A-Z_]+)(:[-?][^}]*)\}", path.read_text()))
    assert path.read_text().count("${") == len(re.findall(r"\$\{[A-Z_]+:[-?]", path.read_text()))
    assert set(asked) <= set(re.findall(r"`([A-Z_]+)`", PAGE))
    secrets = {name for name in asked if re.search("KEY|SECRET|PASSWORD", name)}
    assert {name for name in secrets if asked[name] != ":?"} <= set(OPTIONAL)
    for service in load(path)["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("KEY|SECRET|PASSWORD", name) or re.fullmatch(
                r"\$\{[A-Z_]+:(\?|-)\}", value
            )


def test_the_server_is_given_every_setting() -> None:
    server = load(FOLDER / "compose.server.yaml")["services"]["server"]
    given = {name for name in server["environment"] if name.startswith(PREFIX)}
    assert given == {PREFIX + name.upper() for name in Settings.model_fields}


def test_the_worker_is_given_all_it_reads() -> None:
    text = (FOLDER / "worker.py").read_text()
    read = set(re.findall(r'os\.environ(?:\.get\(|\[)"([A-Z_]+)"', text))
    worker = load(FOLDER / "compose.worker.yaml")["services"]["worker"]
    assert set(worker["environment"]) == read | {"PARALLEL_API_KEY"}
    assert read <= set(tabled())


def test_the_workers_graph_keeps_its_threads_when_its_evaluator_changes() -> None:
    text = (FOLDER / "worker.py").read_text()
    (name,) = re.findall(r'"RESEARCH_NAME", "(\w+)"', text)
    assert with_fingerprint(name, "an evaluator") == name
    worker = load(FOLDER / "compose.worker.yaml")["services"]["worker"]
    assert worker["environment"]["RESEARCH_NAME"] == f"${{RESEARCH_NAME:-{name}}}"
    assert f"`{name}` unless set" in tabled()["RESEARCH_NAME"][0]


@pytest.fixture(scope="module")
def read_users() -> Any:
    """Of `auth.py`, which is no module of a package."""
    pytest.importorskip("langgraph_sdk.auth", reason="langgraph-sdk is too old")
    return runpy.run_path(str(FOLDER / "auth.py"))["read_users"]


def test_users_are_known_by_digests_of_their_tokens(read_users: Any) -> None:
    users = read_users(f"ann={'a' * 16}  bob={'b=' * 8}\nbob={'c' * 16}")
    assert sorted(users.values()) == ["ann", "bob", "bob"]  # a new token beside the old one
    assert hashlib.sha256(b"b=" * 8).digest() in users


@pytest.mark.parametrize(
    "users",
    [
        f"ann={'a' * 15}",
        "ann",
        f"={'a' * 16}",
        f"a.b={'a' * 16}",
        f"langchain_parallel={'a' * 16}",
        f"ann={'a' * 16} anna={'b' * 16}",  # some stores search by a prefix of the text
    ],
)
def test_users_that_the_store_could_not_tell_apart_are_refused(read_users: Any, users: str) -> None:
    with pytest.raises(SystemExit, match="RESEARCH_USERS"):
        read_users(users)


def test_what_auth_reads_is_documented() -> None:
    text = (FOLDER / "auth.py").read_text()
    read = set(re.findall(r'os\.environ\.get\("([A-Z_]+)"', text))
    assert read == {"RESEARCH_USERS", "RESEARCH_OPERATORS"}
    assert read <= set(re.findall(r"`([A-Z_]+)`", PAGE))


def test_secrets_of_compose_are_in_no_repository_image_or_distribution() -> None:
    for name in (".env", ".env.production", "docs/deployment/.env"):
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "check-ignore", "--no-index", name],
            cwd=ROOT,
            check=False,
            capture_output=True,
        )
        assert done.returncode in (0, 128), name  # 128: a tree without git
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    excluded = (ROOT / "pyproject.toml").read_text().partition("targets.sdist]")[2].splitlines()[1]
    for name in (".env", ".env.*"):
        assert name in ignored
        assert f'"{name}"' in excluded
    assert ".env*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_command_on_the_page_pins_every_image_of_a_registry(tmp_path: Path) -> None:
    (block,) = (b for b in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) if "grep" in b)
    command = re.sub(r"^[$>] ?", "", block, flags=re.MULTILINE)
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "sha256:$(printf %s "$6" | md5sum | cut -c 1-32)"\n')
    docker.chmod(0o755)
    for path in COMPOSE:
        (tmp_path / path.name).write_text(path.read_text())
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for _ in range(2):  # the second time, nothing is left to do
        subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=environment, check=True)
    local = {"${RESEARCH_IMAGE:-research}", "research-worker"}
    for path in COMPOSE:
        text = (tmp_path / path.name).read_text()
        images = re.findall(r"^\s*(?:image:|FROM) (\S+)", text, re.MULTILINE)
        pinned = {image for image in images if image not in local}
        assert pinned
        assert all(re.fullmatch(r"[a-z/]+:[\w.-]+@sha256:[0-9a-f]{32}", one) for one in pinned)
