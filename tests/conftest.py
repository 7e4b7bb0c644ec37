"""What all tests share.

Compilation takes most of their time, so XLA compiles here as fast as it can: the same operations, less polished, and
without the pass that undoes what another did 25 times over. CPU seconds for the closer look at a Student t: 2.6, and 1.3
with the last three (JAX 0.10.2). `XLA_FLAGS= pytest` compiles as for users.
"""

import gc
import itertools
import os
import re
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

from jaxmle._util import compile  # noqa: E402

gc.set_threshold(50_000, 20, 20)  # tracing makes many objects; looking through them was 4 % of the CPU time
compile._LIMIT = 300  # at optimization level 0 a program holds some 35 memory maps, so that more of them may stay
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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """All tests of a file, or of a case of the laws, go to one worker, which compiles and fits what they share once.

    By their names: xdist 3.8 has no effect on pytest 9.2 with `xdist_group`, as it renames tests in vain.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByCase(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            case = re.search(r"\[([^-\]]+)", test) if file.endswith("test_laws.py") else None
            return f"{file} {case[1]}" if case else file

    return ByCase(config, log)
