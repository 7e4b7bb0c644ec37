"""The site's one hook: Python in its pages runs when the site is built, and what it prints and draws is shown below it.

A page is a list of cells. In `pages/*.md` the code is the blocks marked `python`; an example of the gallery is a Python
file with cells `# %%` and `# %% [markdown]`. Code that begins with `# not shown` runs unseen. One namespace for a page; a warning or an exception in it ends the build.
`{{ expression:format }}` in a text is a number of the run, and `$...$` becomes MathML: no script, nothing fetched. What a
page became is kept in `docs/.cache` until it, this file, jaxmle or the data change.
"""

import contextlib
import hashlib
import io
import json
import re
import traceback
import warnings
from pathlib import Path

import griffe
import latex2mathml.converter
import matplotlib
from matplotlib import pyplot
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
EXAMPLES = sorted((HERE / "gallery").glob("*.py"))
SOURCES = [
    f for folder in ("jaxmle", "examples", "benchmarks/results") for f in sorted((HERE.parent / folder).rglob("*.*"))
]
SHOTS = sorted((HERE / "pictures").glob("*.png"))
RESULTS = HERE.parent / "benchmarks" / "results"
CODE = re.compile(r"^```python\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
SEVERAL = re.compile(
    r"^(?P<indent> +)(?P<names>\w+(?:, \w+)+): (?P<description>.+(?:\n(?P=indent) +.+)*)", re.MULTILINE
)
OUTSIDE = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=["']?https?://""")
STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.prop_cycle": matplotlib.cycler(color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]),
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "font.size": 10.5,
}
CARD = """<a class="card" href="{stem}.html">
<img src="{stem}-0.svg" alt="">
<span><strong>{title}</strong><br>{words}</span></a>
"""


def on_config(config):
    """The gallery's part of the navigation is its files."""
    matplotlib.use("Agg")
    pages = [f"gallery/{path.stem}.md" for path in EXAMPLES]
    config.nav = [{"Gallery": [*x["Gallery"], *pages]} if "Gallery" in x else x for x in config.nav]
    return config


def on_files(files, config):
    """Runs every page; adds the examples, the pictures and the benchmark's report."""
    digest = hashlib.sha256(b"".join(f.read_bytes() for f in [Path(__file__), *SOURCES] if f.suffix != ".pyc"))
    cards = []

    def add(uri, **what):
        files.append(File.generated(config, uri, **what))

    def made(path, uri, cells):
        text, pictures = kept(path, cells, digest.copy())
        for i, picture in enumerate(pictures):
            add(f"{uri.removesuffix('.md')}-{i}.svg", content=picture)
        return text

    for path in EXAMPLES:
        text = made(path, f"gallery/{path.stem}.md", python_cells(path.read_text()))
        add(f"gallery/{path.stem}.md", content="---\nhide: [toc]\n---\n" + text)
        title, words = re.search(r"^# (.+?)\n+(.+?)\n\n", text, re.DOTALL).groups()
        cards.append(CARD.format(stem=path.stem, title=title, words=" ".join(words.replace("`", "").split())))
    for path in [*RESULTS.glob("*/*.svg"), *RESULTS.glob("*/README.md")]:
        add(f"speed/{path.parent.name}/{path.name.replace('README', 'report')}", abs_src_path=str(path))
    for path in SHOTS:
        add(f"pictures/{path.name}", abs_src_path=str(path))
    for file in [f for f in files.documentation_pages() if f.generated_by is None]:
        text = made(Path(file.abs_src_path), file.src_uri, markdown_cells(file.content_string))
        text = text.replace("<!-- cards -->", f'<div class="cards">\n{"".join(cards)}</div>')
        file.content_string = text.replace("<!-- pictures -->", "\n\n".join(f"![](pictures/{p.name})" for p in SHOTS))
    return files


def on_post_page(output, page, config):
    """A reader's browser contacts nobody."""
    if found := OUTSIDE.search(output):
        raise PluginError(f"{page.file.src_uri}: {found[0]}: the site may not load anything from outside")
    return output


def kept(path, cells, digest):
    """The text and the pictures of a page, run or remembered."""
    digest.update(path.read_bytes())
    file = CACHE / f"{path.stem}-{digest.hexdigest()[:20]}.json"
    if not file.exists():
        CACHE.mkdir(exist_ok=True)
        page = Page(path)
        file.write_text(json.dumps([page.text(cells), page.pictures]))
    return json.loads(file.read_text())


def python_cells(text):
    """(is code, text, first line) of a file with `# %%` cells."""
    starts = list(re.finditer(r"^# %%( \[markdown\])?\n", text, re.MULTILINE))
    ends = [m.start() for m in starts[1:]] + [len(text)]
    for mark, end in zip(starts, ends, strict=True):
        body, line = text[mark.end() : end], text[: mark.end()].count("\n")
        yield not mark[1], re.sub(r"^# ?", "", body, flags=re.MULTILINE) if mark[1] else body.strip("\n") + "\n", line


def markdown_cells(text):
    """The same of a page of Markdown."""
    at = 0
    for block in CODE.finditer(text):
        yield False, text[at : block.start()], 0
        yield True, block[1], text[: block.start(1)].count("\n")
        at = block.end()
    yield False, text[at:], 0


class Docstrings(griffe.Extension):
    """Tells griffe, which reads the source without running it, what it cannot see in our docstrings and classes.

    - `record` makes a dataclass, so that the fields of a class are the parameters that its docstring describes.
    - "x, level: as in `pdf`" describes two parameters.
    - A method of `Fit` is a function of its solution, which a reader does not pass.
    - Our docstrings say `Example:`; mkdocstrings knows `Examples:`.
    """

    def on_function_instance(self, *, func, **_):
        if "solution" in func.parameters:
            del func.parameters["solution"]

    def on_class_instance(self, *, cls, **_):
        for decorator in cls.decorators:
            if decorator.callable_path.endswith(".record"):
                decorator.value = griffe.ExprName("dataclasses.dataclass")

    def on_object(self, *, obj, **_):
        if obj.docstring:
            text = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
            obj.docstring.value = SEVERAL.sub(one_line_for_each, text)


def one_line_for_each(item):
    """The lines `x: ...` and `level: ...` of an item `x, level: ...`; each has the whole description."""
    return "\n".join(f"{item['indent']}{name}: {item['description']}" for name in item["names"].split(", "))


class Page:
    """One page while it runs."""

    def __init__(self, path):
        self.path = path
        self.names = {"__name__": "__main__", "__file__": str(path)}
        self.pictures, self.heading = [], path.stem

    def text(self, cells):
        """The page with everything that its code prints and draws."""
        with warnings.catch_warnings(), matplotlib.rc_context(STYLE | {"svg.hashsalt": self.path.stem}):
            warnings.simplefilter("error")
            return "\n".join(self.run(x, line) if code else self.say(x) for code, x, line in cells)

    def run(self, code, line):
        """The code, what it printed, its figures. An error names the line of the page's own file."""
        printed, name = io.StringIO(), str(self.path)
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * line + code, name, "exec"), self.names)
            drawn = [self.picture(pyplot.figure(n)) for n in pyplot.get_fignums()]
        except Exception as error:
            lines = [x.lineno for x in traceback.extract_tb(error.__traceback__) if x.filename == name]
            raise PluginError(f"{name}:{lines[-1] if lines else line}: {type(error).__name__}: {error}") from error
        shown = "" if code.startswith("# not shown") else f"```python\n{code}```\n"
        if printed.getvalue().strip():
            shown += f"\n```{{ .text .output }}\n{printed.getvalue().rstrip()}\n```\n"
        return "\n".join([shown, *drawn])

    def picture(self, figure):
        figure.draw_without_rendering()
        first = figure.axes[0].get_tightbbox().transformed(figure.dpi_scale_trans.inverted())
        for box in ([] if self.pictures else [first.padded(0.05)]) + ["tight"]:  # picture 0 is the card of the index
            file = io.StringIO()
            figure.savefig(file, format="svg", bbox_inches=box, metadata={"Date": None})
            self.pictures.append(file.getvalue())
        pyplot.close(figure)
        return f"![{self.heading}]({self.path.stem}-{len(self.pictures) - 1}.svg)\n"

    def say(self, text):
        """Text, with its numbers and formulas; code in it stays as it is."""
        parts = FENCED.split(text)
        parts[::2] = [self.mathematics(self.numbers(part)) for part in parts[::2]]
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        self.heading = headings[-1] if headings else self.heading
        return "".join(parts)

    def numbers(self, text):
        return re.sub(r"\{\{(.+?)\}\}", lambda m: eval(f'f"""{{{m[1].strip()}}}"""', self.names), text)

    def mathematics(self, text):
        convert = latex2mathml.converter.convert
        text = re.sub(
            r"\$\$(.+?)\$\$", lambda m: f"<div>{convert(m[1].strip(), display='block')}</div>", text, flags=re.DOTALL
        )
        return re.sub(r"\$(\S(?:[^$\n]*\S)?)\$", lambda m: f"<span>{convert(m[1])}</span>", text)
