from __future__ import annotations

import pytest

from .harness import Mode, Session


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def session(mode: Mode) -> Session:
    return Session(mode)
