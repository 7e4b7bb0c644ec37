"""Odd data sets for each support: ties, zeros, offsets, nearly constant rows, whole numbers near 2^53, extreme units."""

from collections.abc import Callable
from typing import Any

import numpy as np

Rows = Any
"Arrays [B, n], or a dict of them for binomial families."
Generator = np.random.Generator
Change = Callable[[Generator, np.ndarray], np.ndarray]
"`(r, x[n]) -> x[n]`, a data set made odd."

BIG = 2.0**53
SIZES = (3, 20, 5, 50, 2, 8, 200, 1)


def _spread(x: np.ndarray) -> float:
    return float(np.std(x)) or 1.0


def _ties(r: Generator, x: np.ndarray) -> np.ndarray:
    unit = _spread(x) * 10.0 ** r.integers(-1, 2)
    return np.round(x / unit) * unit


def _offset(r: Generator, x: np.ndarray) -> np.ndarray:
    return x + _spread(x) * 10.0 ** r.uniform(0, 13) * r.choice([1.0, 1.0, -1.0])


def _nearly_constant(r: Generator, x: np.ndarray) -> np.ndarray:
    return x[:1] * (1 + 10.0 ** r.uniform(-15.5, -3) * r.normal(size=len(x)))


def _two_values(r: Generator, x: np.ndarray) -> np.ndarray:
    return np.where(r.uniform(size=len(x)) < 0.5, x[0], x[-1])


def _two_clusters(r: Generator, x: np.ndarray) -> np.ndarray:
    return x + np.where(r.uniform(size=len(x)) < 0.5, 0.0, _spread(x) * 10.0 ** r.uniform(0.5, 9))


def _heavy(r: Generator, x: np.ndarray) -> np.ndarray:
    return np.mean(x) + (x - np.mean(x)) * np.exp(np.abs(r.normal(size=len(x))) * r.uniform(1, 12))


def _zeros(r: Generator, x: np.ndarray) -> np.ndarray:
    return np.where(r.uniform(size=len(x)) < r.uniform(0, 0.9), 0.0, x)


def _one_far(r: Generator, x: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(x)) == 0, x * 10.0 ** r.uniform(1, 15), x)


def _scaled(r: Generator, x: np.ndarray) -> np.ndarray:
    return x * 10.0 ** r.choice([-300, -150, -46, -6, 6, 46, 150, 300])


def _whole(r: Generator, x: np.ndarray) -> np.ndarray:
    return np.round(x * 10.0 ** r.integers(0, 15))


def _near_2_53(r: Generator, x: np.ndarray) -> np.ndarray:
    return BIG - np.abs(np.round(x / _spread(x) * 10.0 ** r.uniform(0, 14)))


def _plain(r: Generator, x: np.ndarray) -> np.ndarray:
    return x


CHANGES: dict[str, Change] = {
    "plain": _plain,
    "ties": _ties,
    "offset": _offset,
    "nearly constant": _nearly_constant,
    "two values": _two_values,
    "two clusters": _two_clusters,
    "heavy tails": _heavy,
    "zeros": _zeros,
    "one far": _one_far,
    "units": _scaled,
    "whole numbers": _whole,
    "near 2^53": _near_2_53,
}


def _base(r: Generator, n: int, positive: bool) -> np.ndarray:
    """Draw rows of a random shape: normal, skewed, uniform or of a random coefficient of variation."""
    kind = r.integers(4)
    x = r.normal(size=n) if kind == 0 else r.gamma(10.0 ** r.uniform(-1, 3), size=n) if kind == 1 else r.uniform(size=n)
    if kind == 3:
        x = np.exp(10.0 ** r.uniform(-6, 0.7) * r.normal(size=n))
    return np.abs(x) if positive else x


def _real(r: Generator, n: int, change: Change) -> np.ndarray:
    return change(r, _base(r, n, False))


def _positive(r: Generator, n: int, change: Change) -> np.ndarray:
    x = np.abs(change(r, _base(r, n, True)))
    return x if r.uniform() < 0.05 else np.where(x > 0, x, 1.0)


def _share(r: Generator, n: int, change: Change) -> np.ndarray:
    x = change(r, _base(r, n, False))
    kind = r.integers(3)
    if kind == 0:
        x = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
    elif kind == 1:
        x = np.exp(-np.minimum(np.abs(x), 700))
    else:
        x = np.abs(x) / (2 * np.max(np.abs(x)) or 1.0) if r.uniform() < 0.5 else np.abs(x - np.floor(x))
    return np.clip(x, 1e-308, 1 - 2.0**-53)


def _counts(r: Generator, n: int, change: Change) -> np.ndarray:
    kind = r.integers(3)
    mean = 10.0 ** r.uniform(-1, 5)
    x = r.poisson(mean, n) if kind == 0 else r.negative_binomial(10.0 ** r.uniform(-1, 2), 1 / (1 + mean), n)
    x = x if kind < 2 else r.geometric(10.0 ** r.uniform(-3, 0), n)
    x = np.round(np.abs(change(r, x.astype(float))))
    return np.minimum(x, 2 * BIG)


def _from_one(r: Generator, n: int, change: Change) -> np.ndarray:
    return np.maximum(_counts(r, n, change), 1.0)


def _signed_counts(r: Generator, n: int, change: Change) -> np.ndarray:
    return np.minimum(_counts(r, n, change), 1e6) - np.minimum(_counts(r, n, _plain), 1e6)


def _binary(r: Generator, n: int, change: Change) -> np.ndarray:
    return (r.uniform(size=n) < r.uniform()).astype(float)


def _angles(r: Generator, n: int, change: Change) -> np.ndarray:
    return np.clip(change(r, _base(r, n, False)), -1e6, 1e6)


def _successes(r: Generator, n: int, change: Change) -> np.ndarray:
    trials = np.maximum(_counts(r, n, change), 1.0)
    share = np.clip(
        r.beta(10.0 ** r.uniform(-2, 2), 10.0 ** r.uniform(-2, 2)) + 10.0 ** r.uniform(-9, 0) * r.normal(size=n), 0, 1
    )
    small = trials < 1e9
    drawn = r.binomial(np.where(small, trials, 1).astype(int), share)
    return np.stack([np.where(small, drawn, np.floor(trials * share)), trials])


def _maker(family: Any) -> Callable[[Generator, int, Change], np.ndarray]:
    if family.columns:
        return _successes
    if family.period:
        return _angles
    name = family.support.__name__.strip("_")
    return {
        "is_positive": _positive, "is_nonnegative": _positive, "is_share": _share, "is_count": _counts,
        "is_whole_from_one": _from_one, "is_whole": _signed_counts, "is_binary": _binary,
    }.get(name, _real)  # fmt: skip


def draw(family: Any, r: Generator, sets: int, n: int) -> tuple[Rows, list[str]]:
    """Draw `sets` data sets of n rows for a family, and name the oddity of each."""
    make = _maker(family)
    kinds = [str(k) for k in r.choice(list(CHANGES), sets)]
    with np.errstate(all="ignore"):
        x = np.stack([make(r, n, CHANGES[k]) for k in kinds])
    x = np.nan_to_num(x, nan=1.0, posinf=1e300, neginf=-1e300)
    return ({"successes": x[:, 0], "trials": x[:, 1]} if family.columns else x), kinds
