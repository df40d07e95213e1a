from __future__ import annotations

import pytest

from .helpers import OfficialAccount


@pytest.fixture
def account() -> OfficialAccount:
    return OfficialAccount()
