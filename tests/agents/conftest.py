from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from ..middleware.harness import Account, How
from .examples import FOLDER


@pytest.fixture(params=["sync", "async"])
def account(request: pytest.FixtureRequest) -> Account:
    """Every example holds for blocking and for awaited calls."""
    how: How = request.param
    return Account(how)


@pytest.fixture(scope="session", autouse=True)
def scripted() -> Iterator[ModuleType]:
    """What the examples share. They import it by its name, as scripts in its folder do."""
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("scripted")
    sys.path.remove(str(FOLDER))
