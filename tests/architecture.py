"""The architecture: which folder may import which, and in what order the files of a folder stand.

`python tests/architecture.py` prints the picture of CONTRIBUTING.md from the code; `--write` puts it there.
"""

import ast
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE / "jaxmle"

# Folders and the files of the root, from the top down: each may import what stands on a later line, never a neighbour.
ROOMS = """
__main__
cli
__init__
explore
selection
fitting
compare
comparison
result
plot
inference
checks
maximum
io
_engine
models
distributions
_solver
optimizers
model
spaces
_native
special
_util
"""

# The files of each folder, from the top down: each may import what stands on a later line, never a neighbour on its own.
# `__init__` is the face of its folder: it may import all of them, and none of them it. `a/*` stands for all files of the
# folder a that no other line names, the folder's own `__init__` among them.
INSIDE = {
    "cli": "app | demo | plot | input reports | tables",
    "explore": "access session | page warm | figures | text pointer | ascent | numbers | state | families",
    "comparison": "criteria | hypothesis_tests | edges nesting",
    "result": "load | fit | html | select summary | columns saved",
    "plot": "panels | likelihood likelihood_contours diagnostics lifetimes batch | distribution simulated_bands | sample | drawable empirical | style",
    "inference": "ascent simulate | predict surface | intervals | profile | higher messages | covariance information_criteria response_at_point | at_point events matrices interval_record",
    "checks": "check | promises bartlett derivatives | explain given trace | parametrizations | exact | report",
    "io": "tables",
    "_engine": "solve | mixed_precision retry traced | multistart run | solution settle | evaluate workers | backends build | ingest devices memory | batch phase_leaves plan",
    "models": "recipes restricted | censoring columns copulas | censoring_schemes independent | interval_draws",
    # Families that are built on others, then all others, then what the families of a folder share.
    "distributions": "composed/folded composed/scaled composed/shifted composed/truncated | composed/composition | composed/*"
    " | bounded/kumaraswamy multivariate/dirichlet_multinomial positive/burr12 positive/exponentiated_weibull positive/lomax"
    " | positive/* real/* counts/* bounded/* extremes/* circular/* multivariate/*"
    " | positive/burr_chart | positive/gamma_power positive/gamma_ratio positive/power_limits real/location_scale counts/trials extremes/reduced_variate extremes/range_chart"
    " extremes/standard_gumbel circular/mean_direction multivariate/category_counts multivariate/covariances"
    " | base/standard_form | base/discrete_cdf base/distribution base/information base/interpolation base/means base/overflow"
    " base/quantiles base/sampling base/support base/weighted_moments | base/types base/constants base/other_names | base/*",
    "_solver": "solve explain | phases | problem | start | charts | kinks | limits | lanes | step | verdict | state | evidence coordinates | status",
    "optimizers": "named | quasi_newton | curvature",
    "model": "contract | objective | gauss_newton | observations | model | geometry response unsaved",
    "_native": (
        "runtime lowering codegen passes ir"  # in each the files of one room, from the top down
        " | runtime/arguments | runtime/cuda | runtime/cpu runtime/xla_ffi"
        " | lowering/fit_program | lowering/reductions lowering/elementwise lowering/loops | lowering/shapes | lowering/sort"
        " | lowering/tracer"
        " | codegen/interleaved_kernel | codegen/kernel | codegen/block codegen/module | codegen/schedule"
        " | codegen/row_pass codegen/recurrence codegen/sorting codegen/histogram | codegen/scope | codegen/lane_loop"
        " | codegen/context | codegen/loop codegen/reductions | codegen/elements | codegen/vector_math"
        " | codegen/builder codegen/entry"
        " | passes/guards passes/product_sharing passes/simplify passes/value_counts | passes/sum_factoring"
        " | passes/products | passes/sqrt_powers | passes/quotients | passes/finite"
        " | ir/program | ir/graph | ir/nodes ir/layout"
    ),
    "special": "inverses | bessel hurwitz incomplete owens | gamma quadrature | elementary",
    "_util": "compile | cache | records text_tables html_tables group_keys linalg marks array_passes progress reads | arrays atomic_write optional version",
}

# Imported inside a function, when it is called, by a room below.
LATE: set[tuple[str, str]] = set()


def files() -> list[Path]:
    """Every file of the package, the examples that travel with it apart."""
    return [p for p in sorted(ROOT.rglob("*.py")) if "data" not in p.relative_to(ROOT).parts]


def name_of(path: Path) -> str:
    """The full dotted name of the module in a file."""
    parts = path.relative_to(HERE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The folder, or the file of the root, that a module of jaxmle belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


MODULES = {name_of(p): p for p in files()}


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Full names of the modules that a file imports, those for type checkers alone included."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import; write the full name"
            base = node.module or ""
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if whole in MODULES else base)
    return found


def arrows() -> dict[str, set[str]]:
    """For each module of jaxmle the modules of jaxmle that it imports."""
    return {name: {i for i in imports(path) if i in MODULES} - {name} for name, path in MODULES.items()}


def rooms() -> list[str]:
    """The rooms, from the top down."""
    return ROOMS.split()


def order_inside(folder: str) -> dict[str, int]:
    """For each file of a folder, `a/b` for one in a folder of its own, its line from the top."""
    lines = [line.split() for line in INSIDE.get(folder, "").split("|")]
    named = {name: i for i, line in enumerate(lines) for name in line}
    inside = [m.split(".", 2)[2].replace(".", "/") for m in MODULES if m.startswith(f"jaxmle.{folder}.")]
    return {name: i for name in inside if (i := named.get(name, named.get(f"{name.partition('/')[0]}/*"))) is not None}


def picture() -> str:
    """The rooms from the top down, what is in each, and which rooms each imports."""
    known, lines = arrows(), []
    for room in rooms():
        mine = [m for m in MODULES if room_of(m) == room]
        used = {room_of(i) for m in mine for i in known[m]} - {room}
        below = [r for r in rooms() if r in used]
        held = sorted({m.split(".")[2] for m in mine if m.count(".") > 1})
        lines.append(f"{room}{'/' if held else ''}" + (f"  {', '.join(held)}" if held else ""))
        if below:
            lines.append(f"    -> {', '.join(below)}")
    return "\n".join(lines)


BLOCK = re.compile(r"(<!-- picture -->\n```text\n)(.*?)(\n```)", re.DOTALL)

if __name__ == "__main__":
    if "--write" in sys.argv:
        page = HERE / "CONTRIBUTING.md"
        page.write_text(BLOCK.sub(lambda m: m[1] + picture() + m[3], page.read_text()))
    else:
        print(picture())
