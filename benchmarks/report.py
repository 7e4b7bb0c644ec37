"""`python -m benchmarks.report FILE` turns a record into a page, pictures and README's claim.

Under benchmarks/results, in a folder named after the machine: `result.json` (the record), `README.md` (notes, pictures
and tables), `index.html` (the same, in one file) and the pictures. `notes.md` in that folder is written by people, and
goes on top. With `--readme` the section "Speed" of the project's README is made anew from the same record.
"""

import argparse
import html
import io
import json
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import label
from benchmarks.table import as_html, heading, integer, markdown, tables

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- speed: made by python -m benchmarks.report -->\n", "<!-- end of speed -->\n"
LIBRARIES = ("vmap", "jaxopt-bfgs", "jaxopt-lbfgs", "optimistix-bfgs", "optimistix-newton", "tfp", "optax")

AS_CALLED = {
    "scipy-fit": "SciPy's `.fit`",
    "statsmodels": "statsmodels",
    "lifelines": "lifelines",
    "r": "R",
    "tmb": "TMB",
}

CSS = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 3rem; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0 2rem; display: block; overflow-x: auto; }
th { text-align: left; border-bottom: 2px solid #888; vertical-align: bottom; } td { border-bottom: 1px solid #ddd; }
th, td { padding: .25rem .6rem; } td + td { font-variant-numeric: tabular-nums; } .claim { font-size: 1.25rem; }
.where { color: #666; font-size: 14px; } tbody tr:first-child td:first-child { font-weight: 600; }
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("file", type=Path, help="what `python -m benchmarks --json FILE` wrote")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the folder of the machine goes")
    parser.add_argument("--readme", action="store_true", help="make README's claim from this record")
    options = parser.parse_args(arguments)
    record = json.loads(options.file.read_text())
    folder = options.results / label(record["machine"])
    write(record, folder)
    if options.readme:
        file = ROOT / "README.md"
        text = file.read_text()
        file.write_text(text.replace(section(text), speed(record, folder)))
    print(folder)
    return 0


def write(record: dict[str, Any], folder: Path) -> None:
    """The record, its page and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(record, indent=1) + "\n")
    notes = folder / "notes.md"
    said = notes.read_text().strip() + "\n\n" if notes.exists() else ""
    pictures = draw(record)
    for name, (svg, _) in pictures.items():
        (folder / f"{name}.svg").write_text(svg)
    shown = "\n\n".join(f"![{title}]({name}.svg)" for name, (_, title) in pictures.items())
    title = f"# Benchmarks: {label(record['machine'])}"
    (folder / "README.md").write_text(f"{title}\n\n{claim(record)}\n\n{said}{shown}\n\n{markdown(record)}\n")
    (folder / "index.html").write_text(page(record, pictures, said))


def draw(record: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """{name: (SVG, title)}; matplotlib is needed only here."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from benchmarks.pictures import PICTURES, STYLE

    found = {}
    with plt.rc_context(STYLE):
        for name, (make, title) in PICTURES.items():
            figure = make(record)
            if figure is not None:
                out = io.StringIO()
                figure.savefig(out, format="svg", metadata={"Date": None})
                plt.close(figure)
                found[name] = (re.sub(r"[ \t]+\n", "\n", out.getvalue()), title)
    return found


def page(record: dict[str, Any], pictures: dict[str, tuple[str, str]], notes: str) -> str:
    """One file that needs no other."""
    parts = [
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>jaxmle benchmarks</title><style>{CSS}</style></head><body><h1>jaxmle benchmarks</h1>",
        f"<p class='claim'>{_text(claim(record))}</p><p class='where'>{html.escape(heading(record))}</p>",
        _paragraphs(notes),
    ]
    for svg, title in pictures.values():
        parts.append(f"<h2>{html.escape(title)}</h2>{svg[svg.index('<svg') :]}")
    parts.append("<h2>Every number</h2>")
    parts += [f"<h3>{html.escape(table.title)}</h3>{as_html(table)}" for table in tables(record)]
    return "".join(parts) + "</body></html>\n"


def _text(markdown_text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(markdown_text))


def _paragraphs(notes: str) -> str:
    """The little Markdown that notes use: paragraphs and lists."""
    blocks = []
    for block in notes.strip().split("\n\n"):
        if block.startswith("- "):
            items = re.split(r"\n- ", block[2:])
            blocks.append("<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>")
        elif block and not block.startswith("#"):
            blocks.append(f"<p>{_text(block)}</p>")
    return "".join(blocks)


# --- the claim -----------------------------------------------------------------------------------------------------


def claim(record: dict[str, Any]) -> str:
    """One sentence or two, from the numbers alone."""
    where = record["machine"]
    device = f"{where['cores']} CPU cores" if where["device"].startswith("cpu") else where["device"].split(": ", 1)[1]
    many = [race for race in record["workloads"] if race["datasets"] > 1 and _rate(race, "jaxmle")]
    if not many:
        return f"No batch was timed on {device}."
    shown = next((race for race in many if race["workload"] == "weibull"), many[0])
    said = (
        f"On {device}, `fit_many` fits {_round(_rate(shown, 'jaxmle'))} {shown['title'].split(',')[0]} models of {shown['rows']} rows "
        f"a second, each with a certificate."
    )
    others = [
        (
            "as the best other JAX optimizer under `vmap`" if _libraries(many) else "as `vmap` of a `while_loop`",
            LIBRARIES,
        ),
        ("as a numba kernel written by hand", ("numba",)),
    ]
    compared = []
    for words, names in others:
        ratios = [_rate(race, "jaxmle") / best for race in many if (best := max(_rate(race, n) for n in names))]
        if ratios:
            least, most = _times(min(ratios)), _times(max(ratios))
            compared.append(f"{least} {f'to {most} ' if most != least else ''}times as fast {words}")
    models = f"Over {len(many)} models it is " if len(many) > 1 else "It is "
    return said + (f" {models}{' and '.join(compared)}." if compared else "") + _alone(record)


def _alone(record: dict[str, Any]) -> str:
    """A sentence on small data sets one at a time, beside the fastest library; empty where none was timed."""
    for race in record["workloads"]:
        rate, name = max((_rate(race, rival), name) for rival, name in AS_CALLED.items())
        own = _rate(race, "jaxmle")
        if race["datasets"] == 1 and race["rows"] < 10_000 and own and rate:
            return (
                f" Small data sets one at a time are not its strength: `fit` takes {_round(own)} {race['title'].split(',')[0]} "
                f"samples of {race['rows']} rows a second, {name} {_round(rate)}."
            )
    return ""


def _libraries(races: list[dict[str, Any]]) -> bool:
    return any(_rate(race, name) for race in races for name in LIBRARIES if name != "vmap")


def _rate(race: dict[str, Any], rival: str) -> float:
    """The rate of jaxmle, or of a rival that finds the maxima; 0 for one that does not, or is absent."""
    for entry in race["rivals"]:
        good = rival == "jaxmle" or entry.get("close", 0) >= 0.99
        if entry["rival"] == rival and "fits_per_second" in entry and good:
            return entry["fits_per_second"]["median"]
    return 0.0


def _round(x: float) -> str:
    """Two digits."""
    size = 10 ** max(len(str(int(x))) - 2, 0)
    return integer(round(x / size) * size)


def _times(x: float) -> str:
    return f"{x:.0f}" if x >= 9.5 else f"{x:.2g}"


def section(readme: str) -> str:
    """What README says about speed, its marks included."""
    begin, end = readme.index(BEGIN), readme.index(END)
    return readme[begin : end + len(END)]


def speed(record: dict[str, Any], folder: Path) -> str:
    """What README should say about speed."""
    path = folder.relative_to(ROOT)
    where = record["machine"]
    source = (
        f"Measured {where['date']} on {where['cpu']}: [every number]({path}/README.md), [how it is measured]"
        "(benchmarks/README.md)."
    )
    picture = f"![Fits per second of everyone, relative to jaxmle]({path}/rivals.svg)"
    said, read = (
        textwrap.fill(x, 118, break_long_words=False, break_on_hyphens=False) for x in (claim(record), source)
    )
    return f"{BEGIN}{said}\n\n{picture}\n\n{read}\n{END}"


if __name__ == "__main__":
    sys.exit(main())
