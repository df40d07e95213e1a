"""A key of Parallel for each user: from a LangGraph server's authentication, or from the caller's config.

Rule: the key is in `configurable` alone, under a name with two underscores, or in the user of the server's
authentication. LangGraph writes every other text of `configurable` into the metadata of checkpoints and
traces. Steps of this package see it only as a `SecretStr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr

from .._core.hidden import as_secret
from ..errors import InvalidRequest
from .runtime import parent_task

KEY_NAME = "__parallel_api_key"
"""In `configurable`."""
USER_KEY_NAME = "parallel_api_key"
"""Of the user, as the server's authentication returns one."""
_USER = "langgraph_auth_user"
_WRITTEN_DOWN = ("parallel_api_key", "PARALLEL_API_KEY", "api_key")
"""The last one may be for something else in a parent graph."""


def key_of(config: RunnableConfig) -> SecretStr | None:
    """The key of the user who asks, if there is one; the caller's own comes before that of the user.

    Raises:
        InvalidRequest: It is no text, is empty, or stands where LangGraph would write it down.
    """
    given = config.get("configurable", {})
    names = _WRITTEN_DOWN if parent_task(config) is None else _WRITTEN_DOWN[:-1]
    if wrong := [name for name in names if name in given]:
        raise InvalidRequest(
            [
                f"`configurable` has {wrong[0]!r}, which LangGraph writes into checkpoints and traces."
            ],
            hint=f"Give the key as {KEY_NAME!r}, and replace this one. Nothing was sent.",
        )
    key = as_secret(given.get(KEY_NAME))
    if key is None:
        key = as_secret(_of_user(given.get(_USER)))
    if key is None:
        return None
    if not isinstance(cast(object, key), SecretStr) or not key.get_secret_value().strip():
        raise InvalidRequest(["The user's API key is no text, or empty."])
    return key


def hide_key(config: RunnableConfig) -> RunnableConfig:
    """The config as steps of this package see it."""
    given = dict(config.get("configurable", {}))
    if isinstance(given.get(KEY_NAME), str):
        given[KEY_NAME] = as_secret(given[KEY_NAME])
    user = given.get(_USER)
    if isinstance(user, Mapping) and isinstance(user.get(USER_KEY_NAME), str):
        given[_USER] = {**user, USER_KEY_NAME: as_secret(user[USER_KEY_NAME])}
    return {**config, "configurable": given}


def _of_user(user: Any) -> Any:
    if isinstance(user, Mapping):
        return user.get(USER_KEY_NAME)
    found = getattr(user, USER_KEY_NAME, None)
    get = getattr(user, "get", None)  # the server's own kind of user
    return get(USER_KEY_NAME) if found is None and callable(get) else found
