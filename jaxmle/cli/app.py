"""The application of the command line: its commands, their options, and exit codes.

Exit codes: 0 all fits are certified maxima (or lie on a boundary, which the table says), 1 some fit failed,
2 the command or the data cannot be used; then one line on stderr says why, and nothing is written.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

import jaxmle
from jaxmle import Fit, Model, io
from jaxmle._util.arrays import Data, Int
from jaxmle.cli import input, reports, tables
from jaxmle.cli import plot as plots
from jaxmle.distributions import Distribution
from jaxmle.result import saved

EXAMPLES = """
[bold]Examples[/bold]

A Weibull distribution of lifetimes for each aircraft:

    jaxmle fit air_conditioning.csv -d weibull --value hours --by plane

Weeks until relapse, some patients still in remission (1 is a relapse):

    jaxmle fit remission.csv -d weibull --value weeks --event event

Results to a file, one row for each group:

    jaxmle fit remission.csv ... --by treatment --out fits.parquet

A picture of the fit, or of every group's estimates:

    jaxmle fit remission.csv ... --plot remission.png

Which distribution fits better; when a tenth has failed; how many outlast 100 hours:

    jaxmle fit air_conditioning.csv -d weibull,gamma,exponential --value hours --quantile 0.1 --survival 100

Do all aircraft share one rate? For two groups also their difference and ratio (the A/B test):

    jaxmle fit air_conditioning.csv -d exponential --value hours --by plane --pooled

Several peaks? Ascend from ten starts, and see which maxima there are:

    jaxmle fit line.csv --model normal_model.py:line --starts 10

A coin, toss by toss; or counts of successes out of trials:

    jaxmle fit coin.csv -d bernoulli --value heads

    jaxmle fit counts.csv -d binomial --value successes --trials trials

A model of your own, NAME in FILE.py; it gets the numeric columns as a dict:

    jaxmle fit line.csv --model normal_model.py:line

[bold]Exit code[/bold]

0: every fit is a certified maximum, or its maximum lies on the boundary or at infinity, and the table says so.

1: some fit failed; its verdict is in the table.

2: the command or the data cannot be used; one line on stderr says why, and nothing is written.
"""


class OneLineErrors(TyperGroup):
    """A group of commands that reports an error in one line on stderr, with exit code 2."""

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> NoReturn:
        try:
            code = super().main(*args, standalone_mode=False, **kwargs)
        except typer.Abort:
            code = _complain("interrupted; nothing was written", 130)
        except Exception as error:
            if hasattr(error, "format_message"):  # typer's own complaints about the command line
                code = _complain(f"{error.format_message()} (try: jaxmle --help)")  # type: ignore[attr-defined]
            elif isinstance(error, (ValueError, TypeError, OSError, ImportError)) or input.user_line(error):
                code = _complain(input.user_line(error) + str(error))
            else:
                raise
        sys.exit(code if isinstance(code, int) else 0)


def _version() -> str:
    """Return the version installed, or that none is."""
    try:
        return version("jaxmle")
    except PackageNotFoundError:
        return "(not installed: run from its source)"


def _complain(sentence: str, code: int = 2) -> int:
    """Print a sentence in one line on stderr, and return the exit code."""
    print(f"jaxmle: {' '.join(sentence.split())}", file=sys.stderr)
    return code


app = typer.Typer(
    cls=OneLineErrors, rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False, name="jaxmle"
)


@app.callback(invoke_without_command=True)
def _entry(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Maximum likelihood: the parameters that make data most probable, for one data set or for millions.

    Start with [bold]jaxmle demo[/bold]; then [bold]jaxmle fit --help[/bold], which has examples.
    """
    if show_version:
        print(f"jaxmle {_version()}")
    elif context.invoked_subcommand is None:
        context.get_help()


@app.command(epilog=EXAMPLES)
def fit(
    file: Annotated[Path, typer.Argument(help="Table in long format: .csv, .parquet, .json or .ndjson.")],
    distribution: Annotated[
        str,
        typer.Option(
            "--distribution", "-d", help="A name from `jaxmle distributions`; several to compare.", metavar="NAME,..."
        ),
    ] = "",
    model: Annotated[str, typer.Option(help="A model of your own.", metavar="FILE.py:NAME")] = "",
    value: Annotated[
        str,
        typer.Option(
            help="The column to fit; LOWER,UPPER for intervals. For --model, the columns it needs (all numeric ones).",
            metavar="COLUMN",
        ),
    ] = "",
    by: Annotated[
        str, typer.Option(help="Fit each group separately; several columns with commas.", metavar="COLUMN")
    ] = "",
    event: Annotated[str, typer.Option(help="1 = failed, 0 = still running.", metavar="COLUMN")] = "",
    censored: Annotated[str, typer.Option(help="1 = still running, 0 = failed.", metavar="COLUMN")] = "",
    trials: Annotated[str, typer.Option(help="Number of trials (binomial).", metavar="COLUMN")] = "",
    weights: Annotated[str, typer.Option(help="Frequencies: 2 is the row twice.", metavar="COLUMN")] = "",
    missing: Annotated[
        str, typer.Option(help="Missing numbers: error; drop the row; or status, the verdict of its group.")
    ] = "error",
    level: Annotated[float, typer.Option(help="Level of the intervals.", min=0.01, max=0.9999)] = 0.95,
    pooled: Annotated[bool, typer.Option("--pooled", help="Test whether all groups share their parameters.")] = False,
    reference: Annotated[
        str, typer.Option(help="With --pooled: the group that the other of two is compared with.", metavar="KEY")
    ] = "",
    quantile: Annotated[
        str, typer.Option(help="Quantiles to report, such as 0.1 (the B10 life).", metavar="Q,...")
    ] = "",
    survival: Annotated[
        str, typer.Option(help="Values at which to report the probability of exceeding them.", metavar="X,...")
    ] = "",
    of: Annotated[
        float | None, typer.Option(help="Trials that --quantile and --survival are about (binomial).", metavar="TRIALS")
    ] = None,
    criterion: Annotated[str, typer.Option(help="To compare by: aic, aicc or bic.")] = "aic",
    optimizer: Annotated[str, typer.Option(help="newton, fisher_scoring, gauss_newton, bhhh or lbfgs.")] = "newton",
    starts: Annotated[
        int, typer.Option(help="Number of starting points; the highest maximum is reported.", min=1, metavar="K")
    ] = 1,
    key: Annotated[int, typer.Option(help="Seed of the scattered starting points.", min=0, metavar="NUMBER")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the results (of several distributions the criteria): .csv, .parquet, .json or .ndjson.",
            metavar="FILE",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the fit (of several distributions the best by the criterion), or the groups: .png, .pdf or .svg.",
            metavar="FILE.png",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(help="Save the fit: read it by jaxmle info FILE, or in Python by jaxmle.load.", metavar="FILE"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Fit a distribution or a model of your own to a table, group by group."""
    if bool(distribution) == bool(model):
        raise ValueError("give either --distribution NAME (see: jaxmle distributions) or --model FILE.py:NAME")
    if event and censored:
        raise ValueError("give --event or --censored, not both: they say the same thing with opposite sign")
    if missing not in ("error", "drop", "status"):
        raise ValueError(f"--missing {missing}: expected error, drop or status")
    if criterion not in ("aic", "aicc", "bic"):
        raise ValueError(f"--criterion {criterion}: expected aic, aicc or bic")
    if pooled and not by:
        raise ValueError("--pooled tests whether groups share their parameters; say which with --by COLUMN")
    quantiles, times = reports.numbers("--quantile", quantile), reports.numbers("--survival", survival)
    if out is not None:
        io.check_ending(out)
        if not out.parent.is_dir():
            raise ValueError(f"cannot write {out}: there is no folder {out.parent}")
    if plot is not None:
        plots.check(plot)
    _apart(file, model, {"--out": out, "--plot": plot, "--save": save})
    frame = io.read_table(file)
    groups = [name.strip() for name in by.split(",") if name.strip()]
    codes, keys = io.group_codes(frame, groups) if groups else (None, None)
    labels = [] if keys is None else reports.group_labels(keys)
    if reference and not (pooled and len(labels) == 2 and reference in labels):
        raise ValueError(
            f"--reference {reference}: names one of two groups that --pooled compares"
            + (f"; the groups are: {', '.join(labels[:9])}{', ...' if len(labels) > 9 else ''}" if labels else "")
        )
    columns, failed = input.columns(frame, bool(model), value, event, censored, trials, [*groups, weights])
    weight = io.numeric(frame, weights) if weights else None
    if weight is not None and not (weight >= 0).all():
        row = int((~(weight >= 0)).argmax())
        raise ValueError(f"column {weights!r}, row {row + 1}: a weight must be 0 or more, not {weight[row]:g}")
    bad = input.missing_rows(columns, missing, "" if model else value)
    given = {model: input.user_model(model)} if model else input.distributions(distribution, columns)
    known = {} if of is None else {"trials": of}
    if any((quantiles or times) and bool(input.known_columns(x)) != bool(known) for x in given.values()):
        raise ValueError(
            "--quantile and --survival of counts out of trials need --of TRIALS; no other distribution has trials"
        )
    if save is not None and len(given) > 1:
        raise ValueError("--save keeps one fit; give one distribution")
    data = columns if len(columns) > 1 or model else next(iter(columns.values()))
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 160)

    begin = time.perf_counter()
    options = {"weights": weight, "optimizer": optimizer, "missing": missing, "starts": starts, "key": key}
    results = {name: _fit(x, data, codes, not quiet, options) for name, x in given.items()}
    nulls = {name: _fit(x, data, None, False, options) for name, x in given.items()} if pooled else {}
    seconds = time.perf_counter() - begin
    result, sets = next(iter(results.values())), 1 if codes is None else len(next(iter(results.values())))
    found = {name: reports.predictions(r, quantiles, times, level, known) for name, r in results.items()}
    counts = None
    if failed is not None:
        each = np.where(bad, 0.0, 1.0 if weight is None else weight)
        counts = tables.event_counts(failed, each, codes, sets, "exact" if "," in value else "events")
    several = len(results) > 1
    table = reports.criteria_frame(results, keys, criterion) if several else None
    if not quiet:
        dropped = int(bad.sum()) if missing == "drop" else 0
        notes = [f"{dropped} row{'s' * (dropped > 1)} with missing numbers dropped"] if dropped else []
        if several:
            reports.show_criteria(console, results, keys, criterion)
            for sentence in [*([tables.counted(counts)] if counts else []), *notes]:
                console.print(sentence, markup=False)
        else:
            tables.show(console, result, keys, level, counts, notes)
        for name, r in results.items():
            reports.show_predictions(console, found[name], keys, level, name)
            if pooled:
                reports.show_pooled(console, nulls[name], r, keys, level, name, reference)
        print(f"{sets} data set{'s' * (sets > 1)}, {len(frame)} rows, {seconds:.1f} s", file=sys.stderr)
    if out is not None:
        more = (counts or {}) | reports.prediction_columns(found[next(iter(found))])
        io.write_table(out, tables.frame(result, keys, level, more) if table is None else table)
        if not quiet:
            print(f"wrote {out}", file=sys.stderr)
    if plot is not None:
        plots.write(plot, results, keys, criterion, level)
        if not quiet:
            print(f"wrote {plot}", file=sys.stderr)
    if save is not None:
        tables.with_keys(result, keys).save(save)
        if not quiet:
            print(f"wrote {save}", file=sys.stderr)
    raise typer.Exit(1 if any(tables.failures(r) for r in results.values()) else 0)


def _apart(file: Path, model: str, outputs: dict[str, Path | None]) -> None:
    """Refuse outputs that would replace what is read, or one another."""
    taken = [(str(file), file)] + ([("the model's file", Path(model.rpartition(":")[0]))] if model else [])
    for option, path in outputs.items():
        if path is None:
            continue
        for name, other in taken:
            if path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other)):
                raise ValueError(f"{option} {path} would replace {name}; give it another name")
        taken.append((f"{option} {path}", path))


@app.command()
def distributions() -> None:
    """List the distributions that --distribution knows, with their parameters."""
    tables.show_distributions(Console(highlight=False, width=None if sys.stdout.isatty() else 120))


@app.command()
def info(file: Annotated[Path, typer.Argument(help="A file that fit.save(path) wrote.")]) -> None:
    """Say what a saved fit holds: the model, its verdicts, versions, options."""
    for name, text in saved.describe(file).items():
        print(f"{name:<14}{text}")


@app.command()
def demo() -> None:
    """Tour published data: a coin, aspirin, bearings, aircraft, remissions, mites, horse kicks, a wrong derivative."""
    from jaxmle.cli import demo as tour

    tour.run(Console(highlight=False, width=None if sys.stdout.isatty() else 120))


@app.command()
def explore(
    file: Annotated[
        Path | None, typer.Argument(help="A table to begin with: .csv, .parquet, .json or .ndjson.", show_default=False)
    ] = None,
    distribution: Annotated[
        str,
        typer.Option("--distribution", "-d", help="The family to begin with; bernoulli is the coin.", metavar="NAME"),
    ] = "normal",
    value: Annotated[str, typer.Option(help="The column of the table.", metavar="COLUMN")] = "",
    port: Annotated[int, typer.Option(help="0 for any free one.", min=0, max=65535)] = 5006,
    address: Annotated[
        str,
        typer.Option("--address", "--host", help="Where to listen; beyond this machine, everyone may use the page."),
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
) -> None:
    """See the likelihood: place observations on a page in the browser, and watch the maximum move."""
    from jaxmle.explore import serve

    serve(file, distribution=distribution, value=value, port=port, address=address, browser=browser)


@contextmanager
def _progress(shown: bool) -> Iterator[Callable[[int, int, int], None] | bool]:
    """Show a bar on the terminal, and yield the argument `progress` of `fit_many` that moves it; False where none is shown."""
    if not shown:
        yield False
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("compiling", total=None)

        def update(done: int, failed: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"fitting, {failed} without a maximum")

        yield update


def _fit(
    model: Model | Distribution, data: Data, codes: Int[np.ndarray, " n"] | None, shown: bool, options: dict[str, Any]
) -> Fit:
    """Fit all rows, or each group; count the rows that an error names from 1, as everywhere on the command line."""
    if codes is None:
        try:
            return jaxmle.fit(model, data, **options)
        except ValueError as error:
            text = re.sub(r"^row (\d+)", lambda m: f"row {int(m[1]) + 1}", str(error))
            if text == str(error):
                raise
            raise ValueError(text) from error
    with _progress(shown and sys.stderr.isatty()) as progress:
        result = jaxmle.fit_many(model, data, groups=codes, progress=progress, **options)
    if result.info["interrupted"]:
        raise typer.Abort
    return result
