"""Fixtures of the estate's tests: a small estate with every kind of dirt, and references with a key for tests only."""

from __future__ import annotations

from datetime import date

import pytest

from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.messages import PupilRefs
from connectors.pupils import UpnKey

DAY = date(2025, 9, 10)


@pytest.fixture
def refs() -> PupilRefs:
    """Keys UPNs as the edge does."""
    return UpnKey(b"a key that is only used in tests", "k1").reference


@pytest.fixture
def estate() -> Estate:
    """Eight schools, half of them pulled, with dirt."""
    return Estate.make(3, 8, 1_600, [DAY], Dirt.default(), ahead_of=date(2025, 10, 1))
