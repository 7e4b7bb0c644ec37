"""The layers hold, there are no cycles and no giants, and what is optional is optional."""

import ast
import inspect
import subprocess
import sys
import textwrap
from graphlib import TopologicalSorter
from operator import attrgetter

import pytest
from architecture import INSIDE, LATE, MODULES, ROOT, arrows, files, imports, name_of, order_inside, room_of, rooms

import jaxmle

ARROWS = arrows()
OUTSIDE = {"io", "plot", "explore", "cluster", "cli", "__main__"}  # rooms that may import what is optional
OPTIONAL = {
    "typer", "rich", "polars", "pandas", "matplotlib", "bokeh", "scipy", "numba", "xarray", "statsmodels", "narwhals",
}  # fmt: skip
# Beyond the order of the rooms: these meet only in the step.
FORBIDDEN = [
    ("optimizers", {"model", "models", "distributions", "spaces"}),
    ("distributions", {"optimizers"}),
    ("models", {"optimizers"}),
]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_between_rooms(module):
    order = rooms()
    here = room_of(module)
    for other in ARROWS[module]:
        there = room_of(other)
        if there != here and (here, there) not in LATE:
            assert order.index(there) > order.index(here), f"{module} imports {other}, which is above it"


@pytest.mark.parametrize("folder", INSIDE)
def test_imports_point_down_inside_a_room(folder):
    order = order_inside(folder)
    for module in MODULES:
        if room_of(module) != folder or module.count(".") < 2:
            continue
        here = module.split(".", 2)[2].replace(".", "/")
        assert here in order, f"{module} has no line in INSIDE[{folder!r}] of tests/architecture.py"
        for other in ARROWS[module]:
            if room_of(other) == folder:
                assert other.count(".") > 1, f"{module} imports the face of its own folder"
                there = other.split(".", 2)[2].replace(".", "/")
                assert order[there] > order[here], f"{module} imports {other}, which is not below it"


def test_every_folder_has_an_order():
    folders = {room_of(m) for m in MODULES if m.count(".") > 1}
    assert folders <= INSIDE.keys(), f"without an order: {folders - INSIDE.keys()}"


@pytest.mark.parametrize(("name", "others"), FORBIDDEN)
def test_neighbours_that_must_not_meet(name, others):
    for module, used in ARROWS.items():
        if room_of(module) == name:
            assert not {room_of(i) for i in used} & others, f"{module} imports {used}"


def test_no_cycles():
    tuple(TopologicalSorter(ARROWS).static_order())


def test_few_files_in_the_root():
    flat = sorted(p.name for p in ROOT.glob("*.py"))
    assert len(flat) <= 12, flat


def test_no_module_is_shadowed_by_a_function():
    """`jaxmle.compare` alone is both: the documentation shows `from jaxmle.compare import two_groups`."""
    loaded = [name for name in MODULES if "." in name and name in sys.modules]
    shadowed = [name for name in loaded if not inspect.ismodule(attrgetter(name.partition(".")[2])(jaxmle))]
    assert shadowed == ["jaxmle.compare"]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_giants(path):
    length = len(path.read_text().splitlines())
    assert length <= 400, f"{length} lines: what second thing has it started to do?"


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_optional_dependencies_live_at_the_edges(path):
    used = {name.split(".")[0] for name in imports(path)} & OPTIONAL
    room = room_of(name_of(path))
    assert room in OUTSIDE or name_of(path) == "jaxmle._util.optional" or not used, (
        f"{path.name} imports {used}; use jaxmle._util.optional.optional"
    )


def test_public_names():
    promised = {
        "Model", "rows", "constant", "fit", "fit_many", "maximize", "Fit", "Status", "check",
        "likelihood_ratio", "wald_test", "score_test", "compare", "load",
        "spaces", "distributions", "models", "optimizers", "special", "plot",
        "Interval", "Maximum", "Report", "cache", "compile_ahead", "fit_all",
    }  # fmt: skip
    needed = {"Model", "rows", "constant", "fit", "fit_many", "maximize", "Fit", "Status", "check"} | {
        "spaces",
        "distributions",
        "models",
        "optimizers",
    }
    names = set(jaxmle.__all__)
    assert names <= promised | {"__version__"}, f"not in the contract: {names - promised}"
    assert names >= needed, f"missing: {needed - names}"
    assert len(jaxmle.__all__) == len(names)
    for name in names:
        assert hasattr(jaxmle, name)
    for name in names - {"__version__"}:
        assert getattr(jaxmle, name).__doc__, f"jaxmle.{name} has no docstring"


def run(code):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300)


def test_import_is_silent_and_changes_no_flag():
    result = run("""
        import jax
        before = dict(jax.config.values)
        import jaxmle
        assert not jax.config.jax_enable_x64
        changed = {k for k, v in before.items() if jax.config.values[k] != v}
        assert not changed, changed
    """)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_works_without_optional_dependencies():
    # JAX itself imports SciPy in a few places, so blocking it means: nobody but JAX.
    result = run(f"""
        import builtins, sys, tempfile
        real = builtins.__import__
        blocked, allowed = {OPTIONAL!r}, ("jax", "jaxlib", "scipy", "optax")
        def guarded(name, globals=None, locals=None, fromlist=(), level=0):
            importer = (globals or {{}}).get("__name__", "")
            if name.split(".")[0] in blocked and level == 0 and importer.split(".")[0] not in allowed:
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
            return real(name, globals, locals, fromlist, level)
        builtins.__import__ = guarded
        sys.modules |= dict.fromkeys(("pandas", "polars", "xarray"))  # None: not to be had by any way of importing
        import jaxmle as jm
        fit = jm.fit("weibull", [1.0, 2.0, 4.0, 5.0])
        assert fit.converged
        print(fit.summary(), repr(fit))
        many = jm.fit_many("weibull", [[1.0, 2.0, 4.0, 5.0], [1.0, 2.0, 3.0, 3.5]])
        assert many.converged.all()
        for name in ("pandas", "polars", "xarray"):
            try:
                getattr(many, "to_" + name)()
            except ImportError as error:
                assert "pip install '.[frames]'" in str(error) and name in str(error)
            else:
                raise AssertionError(name)
        try:
            fit.plot()
        except ImportError as error:
            assert "pip install '.[plot]'" in str(error)
        else:
            raise AssertionError("plot")
        with tempfile.TemporaryDirectory() as folder:
            again = jm.load(many.save(folder + "/fits.npz"))
        assert again.summary() == many.summary() and "<table>" in again._repr_html_()
        joined = jm.Fit.concatenate([many[:1], many[1]])
        assert joined.columns(long=True)["status"].tolist() == ["converged"] * 4
        assert not {{"typer", "rich", "matplotlib"}} & set(sys.modules)
    """)
    assert result.returncode == 0, result.stderr


def test_one_way_to_compile():
    """A bare jax.jit may sum wrongly on CPU (see _compile): nothing else in the package calls it."""
    calls = [
        f"{name_of(path)}:{node.lineno}"
        for path in files()
        if name_of(path) != "jaxmle._util.compile"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "jit"
    ]
    assert calls == []
