"""The site's one hook: Python in its pages runs when the site is built, and what it prints and draws is shown below it.

A page is a list of cells. In `pages/*.md` the code is the blocks marked `python`; an example of the gallery is a Python
file with cells `# %%` and `# %% [markdown]`. One namespace for a page; a warning or an exception in it ends the build.
`{{ expression:format }}` in a text is a number of the run, and `$...$` becomes MathML: no script, nothing fetched.
"""

import contextlib
import io
import linecache
import re
import warnings
from pathlib import Path

import latex2mathml.converter
import matplotlib
from matplotlib import pyplot
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE / "gallery").glob("*.py"))
RESULTS = HERE.parent / "benchmarks" / "results"
CODE = re.compile(r"^```python\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
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
<img src="{stem}-1.svg" alt="">
<span><strong>{title}</strong><br>{words}</span></a>
"""


def on_config(config):
    """The gallery's part of the navigation is its files."""
    matplotlib.use("Agg")
    pages = [f"gallery/{path.stem}.md" for path in EXAMPLES]
    config.nav = [{"Gallery": [*x["Gallery"], *pages]} if "Gallery" in x else x for x in config.nav]
    return config


def on_files(files: Files, config):
    """Runs every page; adds the examples, the pictures and the benchmark's report."""
    cards = []
    for path in EXAMPLES:
        text = Page(path, f"gallery/{path.stem}.md", files, config).text(python_cells(path.read_text()))
        files.append(File.generated(config, f"gallery/{path.stem}.md", content=text))
        title, words = re.search(r"^# (.+?)\n+(.+?)\n\n", text, re.DOTALL).groups()
        cards.append(CARD.format(stem=path.stem, title=title, words=" ".join(words.split())))
    for path in sorted(RESULTS.glob("*/*.svg")) + sorted(RESULTS.glob("*/README.md")):
        uri = f"speed/{path.parent.name}/{path.name.replace('README', 'report')}"
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    for file in [f for f in files.documentation_pages() if f.generated_by is None]:
        page = Page(Path(file.abs_src_path), file.src_uri, files, config)
        text = page.text(markdown_cells(file.content_string))
        file.content_string = text.replace("<!-- cards -->", f'<div class="cards">\n{"".join(cards)}</div>')
    return files


def on_post_page(output, page, config):
    """A reader's browser contacts nobody."""
    if found := OUTSIDE.search(output):
        raise PluginError(f"{page.file.src_uri}: {found[0]}: the site may not load anything from outside")
    return output


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


class Page:
    """One page while it runs."""

    def __init__(self, path, uri, files, config):
        self.path, self.uri, self.files, self.config = path, uri, files, config
        self.names = {"__name__": "__main__", "__file__": str(path)}
        self.pictures, self.heading = 0, path.stem

    def text(self, cells):
        """The page with everything that its code prints and draws."""
        with warnings.catch_warnings(), matplotlib.rc_context(STYLE | {"svg.hashsalt": self.uri}):
            warnings.simplefilter("error")
            return "\n".join(self.run(x, line) if code else self.say(x) for code, x, line in cells)

    def run(self, code, line):
        printed, name = io.StringIO(), f"{self.path}"
        linecache.checkcache(name)
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * line + code, name, "exec"), self.names)
            pictures = [self.picture(n) for n in pyplot.get_fignums()]
        except Exception as error:
            trace, where = error.__traceback__, line
            while trace:
                where = trace.tb_lineno if trace.tb_frame.f_code.co_filename == name else where
                trace = trace.tb_next
            raise PluginError(f"{name}:{where}: {type(error).__name__}: {error}") from error
        shown = f"```python\n{code}```\n"
        if printed.getvalue().strip():
            shown += f"\n```{{ .text .output }}\n{printed.getvalue().rstrip()}\n```\n"
        return "\n".join([shown, *pictures])

    def picture(self, number):
        """One figure as an SVG file of the site; its name counts from 1."""
        self.pictures += 1
        figure, file, uri = pyplot.figure(number), io.BytesIO(), f"{self.uri[:-3]}-{self.pictures}.svg"
        figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
        self.files.append(File.generated(self.config, uri, content=file.getvalue()))
        return f"![{self.heading}]({Path(uri).name})\n"

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
        return re.sub(r"\$(\S(?:[^$\n]*\S)?)\$", lambda m: convert(m[1]), text)
