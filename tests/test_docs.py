"""The documents that are made from the code are current, and what they name exists. `python tests/test_docs.py` makes them anew.

The site itself is tested by building it: `mkdocs build --strict -f docs/mkdocs.yml` runs every block and every example.
"""

import ast
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import architecture
import pytest
from family_files import families

import jaxmle as jm
from jaxmle import distributions

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = DOCS / "pages" / "distributions.md"
REFERENCE = "".join(path.read_text() for path in (DOCS / "pages" / "reference").glob("*.md"))
NAMED = re.findall(r"^::: (\S+)", REFERENCE, re.MULTILINE)
HEAD = """# Distributions

Made from the code by `python tests/test_docs.py`. Every distribution has a log-density, the logarithms of both tail probabilities, a
quantile function, a sampler and a starting point. All but the starting point may be differentiated to any order.

- *Closed form*: the maximum is a formula.
- *Information*: the expected information is known, for `fisher_scoring` and `kind="expected"`.
- *Regularity*: `smooth`; `kinked`, where the maximum comes from its closed form and the standard errors from the expected information;
  `edge`, where the maximum lies at an extreme of the data and has no standard errors.

Distributions of vectors and matrices are functions of their dimension: SIZED
(`multivariate_normal` may have missing entries, `von_mises_fisher` is of directions).
`models.gaussian_copula` and `models.t_copula` join margins from the table. Where a likelihood may have several maxima, use
`starts=10`.

| name | parameters | data | closed form | information | regularity | density |
|---|---|---|---|---|---|---|
"""


def row(name):
    d = distributions.by_name(name)
    parameters = ", ".join(f"{k}: {str(s).replace('|', '')}" for k, s in d.space.items())
    kind = " and ".join(d.columns) if d.columns else "whole numbers" if d.discrete else "real"
    density = d.doc.strip().splitlines()[0].replace("|", "\\|")
    tick = {True: "yes", False: ""}
    cells = [
        name,
        parameters,
        kind,
        tick[d.geometry.maximum is not None],
        tick[d.geometry.information is not None],
        d.geometry.regularity,
        density,
    ]
    return "| " + " | ".join(cells) + " |\n"


def page():
    sized = ", ".join(f"`{name}`" for name in families() if name not in distributions.names())
    return HEAD.replace("SIZED", sized) + "".join(row(name) for name in distributions.names())


def test_the_table_of_distributions_is_current():
    assert PAGE.read_text() == page(), "run: python tests/test_docs.py"


def test_every_distribution_is_documented():
    for name in distributions.names():
        first, *rest = distributions.by_name(name).doc.strip().splitlines()
        assert ":" in first and len(rest) >= 2, name
        assert any(word in first for word in ("density", "mass", "hazard", "survival", "function", "normal")), name


def test_every_page_is_in_the_navigation():
    nav = set(re.findall(r"[\w/-]+\.md", (DOCS / "mkdocs.yml").read_text()))
    pages = {str(path.relative_to(DOCS / "pages")) for path in (DOCS / "pages").rglob("*.md")}
    reports = {f"speed/{path.parent.name}/report.md" for path in (ROOT / "benchmarks/results").glob("*/README.md")}
    assert nav == pages | reports


def test_every_public_name_is_in_the_reference():
    missing = [name for name in jm.__all__ if not any(f"{other}.".startswith(f"jaxmle.{name}.") for other in NAMED)]
    assert missing == ["__version__"]


@pytest.mark.parametrize("name", NAMED)
def test_what_the_reference_names_exists(name):
    assert getattr(pkgutil.resolve_name(name), "__doc__", "")


def test_every_method_of_a_fit_is_in_the_reference():
    methods = {f"{f.__module__}.{f.__name__}" for k, f in vars(jm.Fit).items() if inspect.isfunction(f) and k[0] != "_"}
    assert {m for m in methods if not m.startswith("jaxmle.result.fit.")} <= set(NAMED)


@pytest.mark.parametrize("path", sorted((DOCS / "gallery").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_has_a_title_a_sentence_and_cells(path):
    text = path.read_text()
    assert re.match(r"# %% \[markdown\]\n# # .+\n#\n# [A-Z].+\n(# .+\n)*#\n", text)
    cells = re.split(r"^# %%.*\n", text, flags=re.MULTILINE)
    assert any(ast.parse(cell).body for cell in cells)


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
IN_THE_REPOSITORY = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((DOCS / "design").glob("*.md"))]


def test_the_picture_of_the_architecture_is_current():
    assert architecture.BLOCK.search(CONTRIBUTING)[2] == architecture.picture(), (
        "run: python tests/architecture.py --write"
    )


def test_contributing_is_one_page():
    assert len(CONTRIBUTING.encode()) < 9000


def test_files_that_contributing_names_exist():
    named = set(re.findall(r"`((?:jaxmle|tests|docs|_\w+)/[\w./-]+)`", CONTRIBUTING)) - {"docs/.cache"}
    missing = {name for name in named if not any((root / name).exists() for root in (ROOT, ROOT / "jaxmle"))}
    assert len(named) > 12 and not missing


def test_every_design_page_is_linked():
    linked = set(re.findall(r"\]\((docs/design/\w+\.md)\)", CONTRIBUTING))
    assert linked == {str(path.relative_to(ROOT)) for path in (DOCS / "design").glob("*.md")}


@pytest.mark.parametrize("path", IN_THE_REPOSITORY, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!http)([^)]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        assert not anchor or anchor in there.read_text(), target


def test_the_citation_and_the_changes_are_of_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    keys = {line.split(":")[0] for line in lines if re.match(r"[a-z-]+:", line)}
    assert {"cff-version", "message", "title", "authors", "license"} <= keys
    assert "cff-version: 1.2.0" in lines and f"version: {version}" in lines
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" and version in headings


if __name__ == "__main__":
    PAGE.write_text(page())
