"""Records: frozen dataclasses that hash by value and carry their numbers as arguments of compiled code.

A record is a tree of pure functions, names and numbers. Two questions are asked of it: *is it the same
program?* (functions by identity, everything else by value) and *with which numbers?* `split` answers both,
so that a thousand pinned values, bounds or penalties share one executable.
"""

import dataclasses
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np
from jax.core import Tracer

from jaxmle._util.arrays import ArrayLike, PyTree

T = TypeVar("T")

Skeleton = Hashable
"What a record is without its numbers: tuples of types, functions and names."


def numbers(**kwargs: Any) -> Any:
    """Make a dataclass field whose content may vary without a new compilation."""
    return dataclasses.field(metadata={"numbers": True}, **kwargs)


def is_traced(x: object) -> bool:
    """Tell whether x is traced: a number that only compiled code will know."""
    return isinstance(x, Tracer)


def is_record(x: object) -> bool:
    return getattr(type(x), "__jaxmle_record__", False)


@dataclass_transform(frozen_default=True, field_specifiers=(numbers, dataclasses.field))
def record(cls: type[T]) -> type[T]:
    """Makes a frozen dataclass that compares and hashes by value, and that `jax.jit` accepts as an argument."""
    cls = dataclasses.dataclass(frozen=True, eq=False, repr="__repr__" not in cls.__dict__)(cls)
    cls.__jaxmle_record__ = True  # pyright: ignore[reportAttributeAccessIssue]
    cls.__hash__ = lambda self: hash(split(self)[0])
    cls.__eq__ = _equal
    return cls


def _equal(a: object, b: object) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return NotImplemented
    (skeleton, left), (other, right) = split(a), split(b)
    if skeleton != other:
        return False
    if any(is_traced(x) for x in (*left, *right)):
        return all(x is y for x, y in zip(left, right, strict=True))
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(left, right, strict=True))


def split(x: PyTree) -> tuple[Skeleton, list[ArrayLike]]:
    """Splits a record (or a pytree of them) into a hashable skeleton and the list of its numbers."""
    known = vars(x).get("_split") if is_record(x) else None
    if known is None:
        found: list[ArrayLike] = []
        known = _skeleton(x, found, False, True), found
        if is_record(x):  # which never changes, and is asked for several times in each fit
            object.__setattr__(x, "_split", known)
    return known[0], list(known[1])


def _skeleton(x: PyTree, found: list[ArrayLike], number: bool, outermost: bool = False) -> Skeleton:
    if is_record(x):
        fields, had = dataclasses.fields(x), len(found)
        parts = tuple(_skeleton(getattr(x, f.name), found, "numbers" in f.metadata) for f in fields)
        # A part without numbers stands for itself, so that it is still the same object on the other side; the whole does
        # not, since compiled programs keep skeletons and must not keep models alive.
        if outermost or len(found) > had:
            return ("record", type(x), parts)
        return ("static", _Same(x, parts))
    leaves, tree = jax.tree.flatten(x, is_leaf=is_record)
    if len(leaves) == 1 and leaves[0] is x:
        if number or isinstance(x, (np.ndarray, jax.Array)):
            found.append(x)
            return ("number",)
        return ("static", x)
    return ("tree", tree, tuple(_skeleton(leaf, found, number) for leaf in leaves))


class _Same:
    """A record without numbers inside a skeleton; equal and hashed by value."""

    def __init__(self, record: object, parts: tuple[Skeleton, ...]) -> None:
        self.record, self.parts = record, (type(record), parts)
        self.hash: int | None = None  # asked for many times in each fit

    def __hash__(self) -> int:
        if self.hash is None:
            self.hash = hash(self.parts)
        return self.hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.parts == other.parts


def join(skeleton: Skeleton, values: Iterable[ArrayLike | None]) -> PyTree:
    """Inverse of `split`; `values` may be tracers."""
    return _rebuild(skeleton, iter(values))


def _rebuild(skeleton: Skeleton, values: Iterator[ArrayLike | None]) -> PyTree:
    match skeleton:
        case ("number",):
            return next(values)
        case ("static", x):
            return x.record if isinstance(x, _Same) else x
        case ("tree", tree, parts):
            return jax.tree.unflatten(tree, [_rebuild(part, values) for part in parts])
        case (_, cls, parts):
            new = object.__new__(cls)
            for field, part in zip(dataclasses.fields(cls), parts, strict=True):
                object.__setattr__(new, field.name, _rebuild(part, values))
            return new


def register(cls: type[T]) -> type[T]:
    """Lets `jax.jit` and `jax.vmap` take the record as an argument: its numbers are the leaves."""
    jax.tree_util.register_pytree_node(
        cls, lambda x: ((s := split(x))[1], s[0]), lambda skeleton, values: join(skeleton, values)
    )
    return cls
