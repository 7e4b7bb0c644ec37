"""The families of `jaxmle.distributions`, found by their files.

A family is a file below `jaxmle/distributions/` that defines what it is called after: `positive/weibull.py` the record
`weibull`, `multivariate/wishart.py` the `@sized` function `wishart`; one in `composed/` may define a `@combinator`, a function from distributions to one. Other files hold what several families share. `python tests/family_files.py` writes the imports and `__all__` of
`jaxmle/distributions/__init__.py` anew; `tests/test_distributions.py` compares.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1] / "jaxmle" / "distributions"
FACE = ROOT / "__init__.py"
BEGIN = "# Made from the files by `python tests/family_files.py`; not to be edited.\n"
END = "# End of what is made from the files.\n"


def is_combinator(path: Path) -> bool:
    """Whether a file defines, by its own name, a `@combinator` function."""
    found = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef) and n.name == path.stem]
    return bool(found) and "combinator" in [ast.unparse(d) for d in found[0].decorator_list]


def is_family(path: Path) -> bool:
    """Whether a file defines, by its own name, a record or a `@sized` function."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == [path.stem]:
            return True
        if isinstance(node, ast.FunctionDef) and node.name == path.stem:
            return "sized" in [ast.unparse(d) for d in node.decorator_list]
    return False


def families() -> dict[str, str]:
    """The module of each family, by its name, sorted."""
    files = [p for p in ROOT.glob("*/*.py") if is_family(p)]
    found = {p.stem: f"jaxmle.distributions.{p.parent.name}.{p.stem}" for p in sorted(files, key=lambda p: p.stem)}
    assert len(found) == len(files), "two files of one name"
    return found


def combinators() -> dict[str, str]:
    """The module of each function from distributions to a distribution, by its name."""
    files = [p for p in sorted(ROOT.glob("*/*.py")) if is_combinator(p)]
    return {p.stem: f"jaxmle.distributions.{p.parent.name}.{p.stem}" for p in files}


def block() -> str:
    """The imports and `__all__`, as they belong into `__init__.py`."""
    base = {"Distribution": "distribution", "name_here": "other_names"}
    modules = {name: f"jaxmle.distributions.base.{file}" for name, file in base.items()} | combinators() | families()
    imports = [f"from {module} import {name}\n" for name, module in sorted(modules.items(), key=lambda item: item[1])]
    names = ["Distribution", *sorted([*families(), *combinators(), "by_name", "names"])]
    return "".join(imports) + "\n__all__ = [\n" + "".join(f'    "{name}",\n' for name in names) + "]\n"


def renewed() -> str:
    """The text of `__init__.py` with the block made anew."""
    pattern = f"({re.escape(BEGIN)}).*?({re.escape(END)})"
    return re.sub(pattern, lambda m: m[1] + block() + m[2], FACE.read_text(), count=1, flags=re.DOTALL)


if __name__ == "__main__":
    FACE.write_text(renewed())
