"""Special functions: ours against those of `jax.scipy.special`, values and slopes; time, and error against mpmath."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.special as theirs
import numpy as np

from benchmarks.measure import interleaved, spread
from jaxmle import special
from jaxmle._util.compile import compiled_once


class Function(NamedTuple):
    """A function in both libraries (None: JAX has none), and where it is looked at.

    Attributes:
        ours, theirs: (arguments) -> value.
        truth: the same in mpmath, given mpmath and the arguments.
        slope: the argument that it is differentiated in.
        ends: decades of each argument.
    """

    ours: Callable[..., Any]
    theirs: Callable[..., Any] | None
    truth: Callable[..., Any]
    slope: int
    ends: tuple[tuple[float, float], ...]


POSITIVE = (-8.0, 8.0)
FUNCTIONS = {
    "log-gamma": Function(special.gammaln, theirs.gammaln, lambda mp, x: mp.loggamma(x), 0, (POSITIVE,)),
    "digamma": Function(special.digamma, theirs.digamma, lambda mp, x: mp.psi(0, x), 0, (POSITIVE,)),
    "trigamma": Function(
        lambda x: special.polygamma(1, x), lambda x: theirs.polygamma(1, x), lambda mp, x: mp.psi(1, x), 0, (POSITIVE,)
    ),
    "log of the normal distribution function": Function(
        lambda x: special.log_ndtr(-x), lambda x: theirs.log_ndtr(-x), lambda mp, x: mp.log(mp.ncdf(-x)), 0, ((-3, 3),)
    ),
    "incomplete gamma, slope in its shape": Function(
        special.gammainc, theirs.gammainc, lambda mp, a, x: mp.gammainc(a, 0, x, regularized=True), 0, ((-1, 2), (-1, 2))
    ),
    "incomplete beta, slope in a": Function(
        lambda a, b, x: special.betainc(a, b, x / (1 + x)), lambda a, b, x: theirs.betainc(a, b, x / (1 + x)),
        lambda mp, a, b, x: mp.betainc(a, b, 0, x / (1 + x), regularized=True), 0, ((-1, 1.5), (-1, 1.5), (-1, 1)),
    ),
    "log of Bessel's I of order 0": Function(
        lambda x: special.log_iv(0.0, x), lambda x: jnp.log(theirs.i0e(x)) + x, lambda mp, x: mp.log(mp.besseli(0, x)),
        0, ((-2, 4),),
    ),
}  # fmt: skip


def functions(size: int, points: int, repeats: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One record for each function: {function, size, points, libraries: {name: {value, slope}}}, each with calls a second
    (float64, one argument after the other) and the largest error relative to the exact value (None without mpmath), or the
    reason why there is none.
    """
    found = []
    for name, function in FUNCTIONS.items():
        say(f"functions: {name}")
        few, many = (_arguments(function, n) for n in (points, size))
        exact = _exact(function, few)
        entry: dict[str, Any] = {"function": name, "size": size, "points": points, "libraries": {}}
        for library, f in (("jaxmle", function.ours), ("jax.scipy.special", function.theirs)):
            if f is not None:
                entry["libraries"][library] = _measured(f, function.slope, few, many, exact, repeats, say)
        found.append(entry)
    return found


def _arguments(function: Function, n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [10 ** rng.uniform(*ends, n) for ends in function.ends]


def _exact(function: Function, few: list[np.ndarray]) -> dict[str, np.ndarray] | None:
    """Values, and slopes by differences, in 120 digits: of a tail of 1e-50, beside 1, enough are left. None without mpmath."""
    try:
        import mpmath as mp
    except ImportError:
        return None

    def at(*x: float) -> tuple[float, float]:
        numbers = [mp.mpf(float(v)) for v in x]

        def along(t: Any) -> Any:
            return function.truth(mp, *[t if i == function.slope else v for i, v in enumerate(numbers)])

        here = numbers[function.slope]
        step = here * mp.mpf(10) ** -30
        return float(along(here)), float((along(here + step) - along(here - step)) / (2 * step))

    with mp.workdps(120):
        pairs = [at(*x) for x in zip(*few, strict=True)]
    return dict(zip(("value", "slope"), np.array(pairs).T, strict=True))


def _measured(
    f: Callable[..., Any], slope: int, few: Any, many: Any, exact: Any, repeats: int, say: Callable[[str], None]
) -> dict[str, Any]:
    runs = {"value": f, "slope": jax.vmap(jax.grad(f, slope))}
    out: dict[str, Any] = {}
    for what, g in runs.items():
        program = compiled_once(g)
        try:
            with jax.enable_x64(True):
                arrays = [jnp.asarray(x) for x in many]
                value = np.asarray(program(*map(jnp.asarray, few)))
                program(*arrays).block_until_ready()
        except (TypeError, ValueError, NotImplementedError) as error:
            out[what] = {"failed": str(error).splitlines()[0]}
            continue

        def run(program: Any = program, arrays: Any = arrays) -> Any:
            with jax.enable_x64(True):
                return program(*arrays).block_until_ready()

        (seconds,) = interleaved([run], repeats, say)
        out[what] = {"rate": spread([len(many[0]) / s for s in seconds]), "error": None}
        if exact is not None:
            with np.errstate(all="ignore"):
                error = np.where(value == exact[what], 0.0, np.abs(value - exact[what]) / np.abs(exact[what]))
            out[what]["error"] = float(np.max(np.where(np.isfinite(error), error, np.inf)))
    return out
