import itertools
from pathlib import Path

import jax
import pytest

_TESTS = itertools.count(1)
_MAPS = Path("/proc/self/maps")


@pytest.fixture
def x64():
    """Runs the test in a local float64 context; the global flag stays as it is."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True)
def few_programs():
    """Programs that tests compile themselves are let go before the kernel's limit of 65 530 memory maps is near."""
    yield
    if next(_TESTS) % 10 == 0 and _MAPS.exists() and _MAPS.read_bytes().count(b"\n") > 25_000:
        jax.clear_caches()
