"""What a package shows is what it declares, and the two clients show the same."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Iterator
from types import ModuleType
from typing import Any, get_type_hints

import pytest

import langchain_parallel
from langchain_parallel import AsyncParallelClient, ParallelClient


def public_packages() -> Iterator[str]:
    yield langchain_parallel.__name__
    for found in pkgutil.walk_packages(langchain_parallel.__path__, "langchain_parallel."):
        if found.ispkg and "._" not in found.name:
            yield found.name


@pytest.mark.parametrize("name", list(public_packages()))
def test_a_package_shows_what_it_declares(name: str) -> None:
    package = importlib.import_module(name)
    visible = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and name != "annotations"  # from __future__
    }
    assert visible == set(package.__all__) - {"__version__"}


CONTEXT = {"__enter__": "__aenter__", "__exit__": "__aexit__"}


def methods(client: type) -> dict[str, Any]:
    """What a client shows, under the blocking client's names."""
    names = {theirs: ours for ours, theirs in CONTEXT.items()}
    return {
        names.get(name, name): value
        for name, value in inspect.getmembers(client)
        if callable(value) and (not name.startswith("_") or name in (*CONTEXT, *names, "__init__"))
    }


BLOCKING, ASYNCHRONOUS = methods(ParallelClient), methods(AsyncParallelClient)


def test_the_two_clients_have_the_same_methods() -> None:
    assert set(BLOCKING) == set(ASYNCHRONOUS)
    assert len(BLOCKING) >= 16


@pytest.mark.parametrize("name", BLOCKING)
def test_a_method_takes_the_same_in_both(name: str) -> None:
    ours, theirs = (inspect.signature(m[name]).parameters for m in (BLOCKING, ASYNCHRONOUS))
    assert list(ours) == list(theirs)
    for parameter in ours:
        one, other = ours[parameter], theirs[parameter]
        assert (one.kind, one.default) == (other.kind, other.default)
        if parameter not in ("http_client", "transport"):
            assert one.annotation == other.annotation


@pytest.mark.parametrize("name", BLOCKING)
def test_a_method_returns_the_same_in_both(name: str) -> None:
    ours, theirs = (get_type_hints(m[name]).get("return") for m in (BLOCKING, ASYNCHRONOUS))
    blocking, awaited = BLOCKING[name], ASYNCHRONOUS[name]
    assert not inspect.iscoroutinefunction(blocking)
    if getattr(ours, "__origin__", None) is Iterator:
        assert getattr(theirs, "__origin__", None) is AsyncIterator
        assert ours.__args__ == theirs.__args__  # type: ignore[union-attr]  # both are generic
        assert not issubclass(type(theirs), Awaitable)
        return
    assert ours == theirs
    assert inspect.iscoroutinefunction(awaited) is (name != "__init__")


@pytest.mark.parametrize("name", [name for name in BLOCKING if not name.startswith("__")])
def test_a_method_is_described_the_same_in_both(name: str) -> None:
    assert BLOCKING[name].__doc__
    assert BLOCKING[name].__doc__ == ASYNCHRONOUS[name].__doc__


def test_every_public_class_and_function_is_described() -> None:
    for name in langchain_parallel.__all__:
        value = getattr(langchain_parallel, name)
        if isinstance(value, type) or inspect.isfunction(value):
            assert inspect.getdoc(value), name
