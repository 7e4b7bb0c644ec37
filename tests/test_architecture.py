"""The layers hold, there are no cycles and no giants, and what is optional is optional."""

import ast
import subprocess
import sys
import textwrap
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import jaxmle

ROOT = Path(jaxmle.__file__).parent

# From the bottom up; a module may import what is below it, or a neighbour on its own line.
LAYERS = [
    {
        "_types",
        "_compile",
        "_optional",
        "_linalg",
        "_status",
        "_version",
        "_progress",
        "_frame",
        "_keys",
        "_files",
        "_cache",
        "_cores",
        "_scan",
    },
    {"spaces", "special"},
    {"native"},
    {"model", "objective", "_data"},
    {"distributions", "models", "optimizers"},
    {
        "_step",
        "_limits",
        "_kinks",
        "_charts",
        "lanes",
        "_solve",
        "_door",
        "_batch",
        "_contract",
        "_ways",
        "_places",
        "_closer",
        "_crew",
        "_run",
        "_rungs",
        "_traced",
    },
    {
        "inference",
        "profile",
        "intervals",
        "predict",
        "draws",
        "_summary",
        "_html",
        "batches",
        "_keep",
        "_starts",
        "result",
    },
    {"_problem", "_draft", "fit", "ahead", "load", "maximize"},
    {"compare", "resample", "diagnose", "check", "sharding"},
    {"io", "plot", "explore", "cluster"},
    {"cli", "_table", "_demo", "__main__", "__init__"},
]
EDGES = {"io", "plot", "explore", "cluster", "cli", "_cli_compare", "_table", "_demo", "__main__", "_optional"}
OPTIONAL = {
    "typer", "rich", "polars", "pandas", "matplotlib", "bokeh", "scipy", "numba", "xarray", "statsmodels", "narwhals",
}  # fmt: skip
# Beyond the order of the layers: these meet only in the step.
FORBIDDEN = [
    ("optimizers", {"model", "models", "distributions", "spaces"}),
    ("distributions", {"optimizers"}),
    ("models", {"optimizers"}),
]

# Imported inside a function, when it is called, by a module below: a picture of a fit may fit again.
LATE = {("result", "plot")}


def files():
    return [p for p in sorted(ROOT.rglob("*.py")) if "data" not in p.relative_to(ROOT).parts]


def unit(path):
    """The module or package of jaxmle that a file belongs to: its name in the table of layers."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def module(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(p): p for p in files()}


def imports(path, top_level_only=False):
    """Full names of the modules that a file imports; those for type checkers alone do not count."""
    tree = ast.parse(path.read_text())
    skip = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in node.body
        for inner in ast.walk(child)
    }
    found = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if id(node) in skip:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import; write the full name"
            base = node.module or ""
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if whole in MODULES else base)
    return found


def inner(path, **options):
    """Units of jaxmle that a file imports, its own apart; `from jaxmle import x` for a name of the top counts as it."""
    units = set()
    for name in imports(path, **options):
        if name == "jaxmle":
            units.add("__init__")
        elif name.startswith("jaxmle."):
            units.add(name.split(".")[1])
    return units - {unit(path)}


def height(name):
    found = [i for i, layer in enumerate(LAYERS) if name in layer or any(name.startswith(f"_{x}_") for x in layer)]
    assert found, f"jaxmle.{name} has no layer: give it one in CONTRIBUTING.md and in this table"
    return found[0]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    here = height(unit(path))
    late = {other for below, other in LATE if below == unit(path)} - inner(path, top_level_only=True)
    for other in inner(path) - late:
        assert height(other) <= here, f"{path.name} imports {other}, which is above it"


@pytest.mark.parametrize(("name", "others"), FORBIDDEN)
def test_neighbours_that_must_not_meet(name, others):
    for path in files():
        if unit(path) == name:
            assert not inner(path) & others, f"{path.relative_to(ROOT)} imports {inner(path) & others}"


def test_no_cycles():
    late = {f"jaxmle.{below}": f"jaxmle.{other}" for below, other in LATE}
    graph = {
        name: {i for i in imports(path) if i in MODULES} - {name, "jaxmle", late.get(name)}
        for name, path in MODULES.items()
    }
    graph["jaxmle"] = {i for i in imports(MODULES["jaxmle"]) if i in MODULES} - {"jaxmle"}
    # A package's __init__ gathers its parts; a part that imports a sibling by full name is no cycle.
    tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_giants(path):
    length = len(path.read_text().splitlines())
    assert length <= 400, f"{length} lines: what second thing has it started to do?"


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_optional_dependencies_live_at_the_edges(path):
    used = {name.split(".")[0] for name in imports(path)} & OPTIONAL
    assert unit(path) in EDGES or not used, f"{path.name} imports {used}; use jaxmle._optional.optional"


def test_public_names():
    promised = {
        "Model", "rows", "constant", "fit", "fit_many", "maximize", "Fit", "Status", "check",
        "likelihood_ratio", "wald_test", "score_test", "compare", "load",
        "spaces", "distributions", "models", "optimizers", "special", "plot",
        "Interval", "Maximum", "Report", "cache", "compile_ahead",
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
                assert "pip install 'jaxmle[frames]'" in str(error) and name in str(error)
            else:
                raise AssertionError(name)
        try:
            fit.plot()
        except ImportError as error:
            assert "pip install 'jaxmle[plot]'" in str(error)
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
        f"{module(path)}:{node.lineno}"
        for path in files()
        if unit(path) != "_compile"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "jit"
    ]
    assert calls == []
