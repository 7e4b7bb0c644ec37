import jax
import pytest


@pytest.fixture
def x64():
    """Runs the test in a local float64 context; the global flag stays as it is."""
    with jax.enable_x64(True):
        yield
