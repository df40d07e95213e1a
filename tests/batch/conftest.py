from __future__ import annotations

import pytest

from .tables import Mode, Office


@pytest.fixture(params=["sync", "async"])
def office(request: pytest.FixtureRequest) -> Office:
    mode: Mode = request.param
    return Office(mode)
