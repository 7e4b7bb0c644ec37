"""The input of the command line: columns of a table, names of distributions, a model in a file."""

from pathlib import Path

import numpy as np

import jaxmle
from jaxmle import io


def columns(
    frame: io.DataFrame, own: bool, value: str, event: str, censored: str, trials: str, used: list[str]
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Read the columns of a model by name, and which rows failed (None: nothing is censored)."""
    values = [name.strip() for name in value.split(",") if name.strip()]
    if own:
        if event or censored or trials:
            raise ValueError("--event, --censored and --trials belong to --distribution; a model reads columns by name")
        names = values or io.numeric_columns(frame.drop(used, strict=False))
        if not names:
            raise ValueError(f"no numeric column for the model; the columns are: {', '.join(frame.columns)}")
        return {name: io.numeric(frame, name) for name in names}, None
    if not values:
        raise ValueError(f"give --value COLUMN; the columns are: {', '.join(frame.columns)}")
    if trials and (event or censored):
        raise ValueError("--trials is for counts, --event and --censored for lifetimes; give one of them")
    if len(values) > 2 or (len(values) == 2 and (event or censored or trials)):
        raise ValueError("--value takes one column, or LOWER,UPPER for intervals without --event and --trials")
    numbers = [io.numeric(frame, name) for name in values]
    if len(values) == 2:
        lower, upper = numbers
        return {"lower": lower, "upper": upper}, lower == upper
    if trials:
        return {"successes": numbers[0], "trials": io.numeric(frame, trials)}, None
    if event or censored:
        failed = io.binary(frame, event) if event else ~io.binary(frame, censored)
        return {"lower": numbers[0], "upper": np.where(failed, numbers[0], np.inf)}, failed
    return {values[0]: numbers[0]}, None


def missing_rows(columns: dict[str, np.ndarray], rule: str, value: str = "") -> np.ndarray:
    """Find the rows with a missing number, bool[n]; where the rule is "error", raise with the first.

    Args:
        columns: of the model, by name.
        rule: `--missing`.
        value: `--value`, which names the file's columns: an interval's ends are `lower` and `upper` to the model.
    """
    holes = {name: np.isnan(numbers) for name, numbers in columns.items()}
    bad = np.any(list(holes.values()), axis=0)
    if rule == "error" and bad.any():
        row = int(bad.argmax())
        name = next(name for name, h in holes.items() if h[row])
        ends = (
            dict(zip(("lower", "upper"), (x.strip() for x in value.split(",")), strict=False)) if "," in value else {}
        )
        if name in ends:
            open_end = "-inf" if name == "lower" else "inf"
            raise ValueError(
                f"column {ends[name]!r}, row {row + 1}: missing; write {open_end} for an interval that is open there (a "
                "censored row), or use --missing drop or --missing status for a row that is really unknown"
            )
        raise ValueError(
            f"column {name!r}, row {row + 1}: missing; use --missing drop to leave such rows out, or --missing status "
            "to give their groups a verdict of their own"
        )
    return bad


def distributions(names: str, columns: dict[str, np.ndarray]) -> dict[str, jaxmle.Model]:
    """Read NAME,NAME,... as the models of these distributions for the columns, by name."""
    found = {name.strip(): model_of(name.strip(), columns) for name in names.split(",") if name.strip()}
    if not found:
        raise ValueError("give --distribution NAME (see: jaxmle distributions)")
    counts = [name for name, model in found.items() if model.response is not None and model.response.discrete]
    if 0 < len(counts) < len(found):
        raise ValueError(f"cannot compare a distribution of counts ({', '.join(counts)}) with one that is continuous")
    return found


def model_of(name: str, columns: dict[str, np.ndarray]) -> jaxmle.Model:
    """Make the model of a distribution for the columns, censored where they are lower and upper."""
    distribution = jaxmle.distributions.by_name(name)
    model = jaxmle.models.iid(distribution)
    response = model.response
    assert response is not None
    if response.known and set(response.columns) != set(columns):
        text = " and ".join(response.columns)
        raise ValueError(f"{name} is a distribution of {text}: give --value SUCCESSES --trials TRIALS")
    if "trials" in columns and not response.known:
        raise ValueError(f"--trials is for the binomial; {name} has no trials")
    return jaxmle.models.censored(distribution) if "lower" in columns else model


def known_columns(model: jaxmle.Model | jaxmle.distributions.Distribution) -> tuple[str, ...]:
    """Return the known columns of a model or a distribution; none of a log-likelihood of the user's own."""
    response = jaxmle.models.as_model(model).response
    return response.known if response is not None else ()


def user_model(where: str) -> jaxmle.Model | jaxmle.distributions.Distribution:
    """Load the Model or Distribution `NAME` of `FILE.py`, given as `FILE.py:NAME`."""
    import importlib.util

    file, colon, name = where.rpartition(":")
    if not colon or not file.endswith(".py") or not name:
        raise ValueError(f"--model {where}: expected FILE.py:NAME, such as normal_model.py:line")
    if not Path(file).is_file():
        raise ValueError(f"--model: no file {file}")
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    vars(module)["__jaxmle_user_model__"] = True
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{file} cannot be loaded: {user_line(error)}{error}") from None
    kinds = (jaxmle.Model, jaxmle.distributions.Distribution)
    if not isinstance(found := vars(module).get(name), kinds):
        others = [key for key, x in vars(module).items() if isinstance(x, kinds)]
        what = f"is a {type(found).__name__}, not a jaxmle.Model" if name in vars(module) else "is not there"
        raise ValueError(f"{file}: {name} {what}; models there: {', '.join(others) or 'none'}")
    return found


def user_line(error: BaseException) -> str:
    """Say where in a user's own file an error arose: `file.py, line 3: KeyError: `; "" if it arose elsewhere."""
    where = ""
    for cause in (error, error.__cause__):
        trace = cause.__traceback__ if cause is not None and not where else None
        while trace is not None:
            if "__jaxmle_user_model__" in trace.tb_frame.f_globals:
                file = Path(trace.tb_frame.f_code.co_filename).name
                where = f"{file}, line {trace.tb_lineno}: {type(cause).__name__}: "
            trace = trace.tb_next
    return where
