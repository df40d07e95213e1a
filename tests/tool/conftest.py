from __future__ import annotations

import pytest

from langchain_parallel import ParallelTaskTool

from .helpers import Account, How


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def tool(account: Account) -> ParallelTaskTool:
    return account.tool()


@pytest.fixture(params=["sync", "async"])
def how(request: pytest.FixtureRequest) -> How:
    """Every test that asks for it holds for blocking and for awaited calls."""
    way: How = request.param
    return way
