"""What all tests share.

Compilation takes most of their time, so XLA compiles here as fast as it can: the same operations, less polished, and
without the pass that undoes what another did 25 times over. CPU seconds for the closer look at a Student t: 2.6, and 1.3
with the last three (JAX 0.10.2). `XLA_FLAGS= pytest` compiles as for users.
"""

import itertools
import os
from importlib.metadata import version
from pathlib import Path

QUICK = [
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_disable_hlo_passes=reshape-mover",
]
if version("jaxlib").startswith("0.10."):
    QUICK.append("--xla_cpu_use_fusion_emitters=false")  # later ones have no other way
os.environ.setdefault("XLA_FLAGS", " ".join(QUICK))

import jax  # noqa: E402
import pytest  # noqa: E402

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


def pytest_collection_modifyitems(items):
    """All tests of one case of the table go to one worker, which compiles and fits it once."""
    for item in items:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        if case is not None:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem} {case!r}"))
