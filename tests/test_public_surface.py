"""What a package shows is what it declares in `__all__`: no more, no less."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

import langchain_parallel


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
