from __future__ import annotations

import pytest

from .harness import Account, How


@pytest.fixture(params=["sync", "async"])
def how(request: pytest.FixtureRequest) -> How:
    """Every test that asks for an account holds for blocking and for awaited calls."""
    way: How = request.param
    return way


@pytest.fixture
def account(how: How) -> Account:
    return Account(how)
