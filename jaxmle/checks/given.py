"""Readers of a user's score and Hessian, in any of the forms that people use."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._util.arrays import Data, Float, Int, Params
from jaxmle._util.records import record
from jaxmle.checks.exact import Case
from jaxmle.model.observations import bare
from jaxmle.spaces import Space

Derivative = Callable[[Params, Data], Data] | Data
"A score or a Hessian: a function of params and data, or its value."


@record
class Given:
    """A total f[p] (or f[p, p]), or contributions f[n, p] (f[n, p, p]); `note` says what had to be corrected."""

    total: np.ndarray | None = None
    rows: np.ndarray | None = None
    note: str = ""


def _call(
    given: Derivative, case: Case, x: Float[np.ndarray, " p"], index: Int[np.ndarray, " m"] | None, what: str
) -> Data:
    """Call the user's function on JAX arrays; where that fails, on NumPy arrays."""
    if not callable(given):
        return given
    data = bare(case.data if index is None else case.rows(index))
    params = case.at(x)
    try:
        return given(params, jax.tree.map(jnp.asarray, data))
    except Exception as error:
        try:
            return given(jax.tree.map(np.asarray, params), data)
        except Exception:
            raise ValueError(
                f"{what}(params, data) raised {type(error).__name__}: {error}; it is called with the natural "
                "parameters and the data, exactly as log_likelihood is"
            ) from error


def read_score(given: Derivative, case: Case, x: Float[np.ndarray, " p"], index: Int[np.ndarray, " m"] | None) -> Given:
    """Read the score at flat parameters `x` on the rows `index` (None for all)."""
    out = _call(given, case, x, index, "score")
    n, p = case.n if index is None else len(index), len(case.flat)
    leaves, tree = jax.tree.flatten(case.model.space)
    if not isinstance(case.model.space, Space) and not _is_array(out, case):
        out = _same_structure(out, case, "score")
        values = [np.asarray(v, float) for v in tree.flatten_up_to(out)]
        totals = [v.shape == s.value_shape for v, s in zip(values, leaves, strict=True)]
        per_row = [v.shape == (n, *s.value_shape) for v, s in zip(values, leaves, strict=True)]
        if all(totals):
            return Given(total=np.concatenate([v.ravel() for v in values]))
        if all(per_row):
            return Given(rows=np.concatenate([v.reshape(n, -1) for v in values], axis=1))
        k = (
            next(i for i in range(len(values)) if not (totals[i] or per_row[i]))
            if not all(t or r for t, r in zip(totals, per_row, strict=True))
            else totals.index(False)
        )
        expected = list(leaves[k].value_shape)
        raise ValueError(
            f"score of {case.model.names[k]} has shape {list(values[k].shape)}; expected {expected} (the total) or "
            f"{[n, *expected]} (one per observation), the same for every parameter"
        )
    values = np.asarray(out, float)
    if values.shape == (p,) or (p == 1 and values.shape == ()):
        return Given(total=values.reshape(p))
    if values.shape == (n, p) or (p == 1 and values.shape == (n,)):
        return Given(rows=values.reshape(n, p))
    if values.shape == (p, n):
        return Given(
            rows=values.T,
            note=f"transposed: shape [{p}, {n}] was returned, [n, p] = [{n}, {p}] is expected; return its .T",
        )
    raise ValueError(
        f"score has shape {list(values.shape)}; expected [p] = [{p}] (the total) or [n, p] = [{n}, {p}] "
        f"(contributions), in the order {', '.join(case.names)}"
    )


def read_hessian(
    given: Derivative, case: Case, x: Float[np.ndarray, " p"], index: Int[np.ndarray, " m"] | None
) -> Given:
    """Read the Hessian at flat parameters `x` on the rows `index` (None for all)."""
    out = _call(given, case, x, index, "hessian")
    n, p = case.n if index is None else len(index), len(case.flat)
    leaves, tree = jax.tree.flatten(case.model.space)
    note = ""
    if not isinstance(case.model.space, Space) and not _is_array(out, case):
        names = case.model.names
        outer = tree.flatten_up_to(_same_structure(out, case, "hessian", nested=True))
        lines = []
        for i, part in enumerate(outer):
            inner = tree.flatten_up_to(_same_structure(part, case, f"hessian[{names[i]}]"))
            blocks = []
            for j, block in enumerate(inner):
                a, b = leaves[i].value_shape, leaves[j].value_shape
                values = np.asarray(block, float)
                if values.shape != a + b and values.shape == b + a:
                    note = f"transposed: block {names[i]}, {names[j]} has shape {list(b + a)}, expected {list(a + b)}"
                    values = np.moveaxis(values, range(len(b)), range(-len(b), 0)) if b else values
                if values.shape != a + b:
                    raise ValueError(
                        f"hessian block {names[i]}, {names[j]} has shape {list(values.shape)}; expected {list(a + b)}"
                    )
                blocks.append(values.reshape(int(np.prod(a)), int(np.prod(b))))
            lines.append(np.concatenate(blocks, axis=1))
        return Given(total=np.concatenate(lines), note=note)
    values = np.asarray(out, float)
    if values.shape == (p, p) or (p == 1 and values.size == 1):
        return Given(total=values.reshape(p, p))
    if values.shape == (n, p, p) or (p == 1 and values.shape == (n,)):
        return Given(rows=values.reshape(n, p, p))
    raise ValueError(
        f"hessian has shape {list(values.shape)}; expected [p, p] = [{p}, {p}], in the order {', '.join(case.names)}"
    )


def _is_array(out: object, case: Case) -> bool:
    """Tell whether the result is an array, a number, or a list of numbers standing for one (unless params themselves are a list)."""
    if isinstance(out, (list, tuple)):
        return not isinstance(case.model.space, (list, tuple))
    return hasattr(out, "shape") or isinstance(out, (int, float))


def _same_structure(out: Data, case: Case, what: str, nested: bool = False) -> Data:
    """Put the parts of a derivative in the order of params; raise where it has another structure."""
    space = case.model.space
    tree = jax.tree.structure(space)
    if isinstance(out, Mapping) and isinstance(space, Mapping):
        missing, extra = [k for k in space if k not in out], [k for k in out if k not in space]
        if missing or extra:
            parts = [f"no entry for {', '.join(map(str, missing))}"] if missing else []
            parts += [f"{', '.join(map(str, extra))} is no parameter"] if extra else []
            raise ValueError(f"{what}: {' and '.join(parts)}; the parameters are {', '.join(case.model.names)}")
        out = {k: out[k] for k in space}
    try:
        tree.flatten_up_to(out)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{what} has the structure {jax.tree.structure(out)}; expected that of params, {tree}, or a flat array"
        ) from error
    return out
