"""Who may do what on a LangGraph server with several users: what `auth` in `langgraph.json` can name.

    "auth": {"path": "docs/deployment/auth.py:auth", "disable_studio_auth": true}

RESEARCH_USERS       user=token pairs, separated by blanks; a token has 16 characters or more
RESEARCH_OPERATORS   the users, by name, who may run and schedule `sweep`

An example: put your own identity provider in the place of `authenticate`, and keep the rules after it. What
no rule allows is refused. docs/operate/users.md says what the rules protect.
"""

from __future__ import annotations

import hmac
import os
import re
from hashlib import sha256
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid5

from langgraph_sdk import Auth

WEBHOOK = "/parallel/webhook"
"""Parallel sends no login here. It signs what it sends, and the route checks the signature."""
SWEEP = {"sweep", str(uuid5(UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8"), "sweep"))}
"""The graph, and the id that the server gives its assistant."""
NAME = re.compile(r"[A-Za-z0-9@_-]{1,100}")
"""A user's name begins the user's namespaces in the store, and those may have no dots."""


def read_users(text: str) -> dict[bytes, str]:
    """The users by the digests of their tokens.

    Raises:
        SystemExit: The server must not start with users whom it could not tell apart.
    """
    users: dict[bytes, str] = {}
    for pair in text.split():
        name, _, token = pair.partition("=")
        if not NAME.fullmatch(name) or name == "langchain_parallel" or len(token) < 16:
            raise SystemExit(
                f"RESEARCH_USERS: {name!r} needs a name of letters, digits and @_-, other than "
                "langchain_parallel, and a token of 16 characters or more."
            )
        users[sha256(token.encode()).digest()] = name
    # A store that searches by a text prefix would show the longer name's items to the shorter one.
    names = sorted(users.values())
    for one, next_one in pairwise(dict.fromkeys(names)):
        if next_one.startswith(one):
            raise SystemExit(
                f"RESEARCH_USERS: {next_one!r} begins with {one!r}; rename one of them."
            )
    return users


USERS = read_users(os.environ.get("RESEARCH_USERS", ""))
OPERATORS = frozenset(os.environ.get("RESEARCH_OPERATORS", "").split())
auth = Auth()


@auth.authenticate
async def authenticate(path: str, authorization: str | None) -> Any:
    """The user whose token a request bears."""
    if path == WEBHOOK:  # is asked only with `"enable_custom_route_auth": true`
        return {"identity": "", "permissions": []}
    given = sha256((authorization or "").removeprefix("Bearer ").encode()).digest()
    found = [name for digest, name in USERS.items() if hmac.compare_digest(digest, given)]
    if not found:
        raise Auth.exceptions.HTTPException(401, "Send `Authorization: Bearer …`.")
    return {"identity": found[0], "permissions": []}


@auth.on
async def refuse(ctx: Any, value: Any) -> bool:
    """Refuse what no rule below allows."""
    return False


@auth.on.threads
@auth.on.crons
async def own(ctx: Any, value: Any) -> Any:
    """Users see only the threads, runs and crons that they have made."""
    graph = value.get("assistant_id") or (value.get("payload") or {}).get("assistant_id")
    if str(graph) in SWEEP and ctx.user.identity not in OPERATORS:
        raise Auth.exceptions.HTTPException(403, "Only operators sweep.")
    return owned_by(ctx, value)


@auth.on.assistants
async def own_assistant(ctx: Any, value: Any) -> Any:
    """So it is with assistants, but all users may run the server's own, one for each graph."""
    if value.get("graph_id") in SWEEP and ctx.user.identity not in OPERATORS:
        raise Auth.exceptions.HTTPException(403, "Only operators sweep.")
    (value.get("metadata") or {}).pop("created_by", None)  # "system" would open it to all
    return owned_by(ctx, value)


@auth.on.store
async def own_namespaces(ctx: Any, value: Any) -> None:
    """Users reach only namespaces that begin with their name. So those of `langchain_parallel` are closed to
    them; graphs, webhooks and sweeps use those without asking here.
    """
    namespace = tuple(value.get("namespace") or ())
    if not ctx.user.identity or namespace[:1] != (ctx.user.identity,):
        raise Auth.exceptions.HTTPException(
            403, "Your namespaces begin with your name; list and search with it as the prefix."
        )


def owned_by(ctx: Any, value: Any) -> dict[str, str]:
    """Write the owner into what is made or changed, and filter what is read."""
    if not ctx.user.identity:
        raise Auth.exceptions.HTTPException(403, "Only users may do this.")
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        metadata["owner"] = ctx.user.identity
    else:
        value["metadata"] = {"owner": ctx.user.identity}
    return {"owner": ctx.user.identity}
