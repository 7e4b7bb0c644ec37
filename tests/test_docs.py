"""The pages of docs/pages/ that are made from the code are current. `python tests/test_docs.py` makes them anew.

The site itself is tested by building it: `mkdocs build --strict -f docs/mkdocs.yml` runs every block and every example.
"""

import ast
import re
from pathlib import Path

import pytest

import jaxmle as jm
from jaxmle import distributions

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = DOCS / "pages" / "distributions.md"
HEAD = """# Distributions

Made from the code by `python tests/test_docs.py`. Every distribution has a log-density, the logarithms of both tails, a quantile
function, a sampler and a start; all but the start may be differentiated to any order. *Closed form*: the maximum is a
formula. *Information*: the expected information is known, for `fisher_scoring` and `kind="expected"`. *Regularity*: `smooth`;
`kinked`, whose maximum comes from its closed form and whose standard errors from the expected information; `edge`, whose
maximum lies at an edge of the data and has no standard errors.

Of vectors and matrices, as functions of their dimension: `categorical`, `dirichlet`, `dirichlet_multinomial`,
`multinomial`, `multivariate_normal` (missing entries too), `multivariate_t`, `von_mises_fisher` (directions) and `wishart`.
`models.gaussian_copula` and `models.t_copula` join margins from the table. Where a likelihood may have several maxima,
`starts=10` climbs from ten places.

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
        tick[d.maximum is not None],
        tick[d.information is not None],
        d.regularity,
        density,
    ]
    return "| " + " | ".join(cells) + " |\n"


def page():
    return HEAD + "".join(row(name) for name in distributions.names())


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
    text = "".join(path.read_text() for path in (DOCS / "pages" / "reference").glob("*.md"))
    missing = [name for name in jm.__all__ if not re.search(rf"^::: jaxmle\.(\w+\.)?{name}\b", text, re.MULTILINE)]
    assert missing == ["__version__"]


@pytest.mark.parametrize("path", sorted((DOCS / "gallery").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_has_a_title_a_sentence_and_cells(path):
    text = path.read_text()
    assert re.match(r"# %% \[markdown\]\n# # .+\n#\n# [A-Z].+\n(# .+\n)*#\n", text)
    cells = re.split(r"^# %%.*\n", text, flags=re.MULTILINE)
    assert any(ast.parse(cell).body for cell in cells)


if __name__ == "__main__":
    PAGE.write_text(page())
