"""Loops over rows that carry numbers from one row, or vector of rows, to the next."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxmle._native.codegen.builder import Builder, iota


class Carried(NamedTuple):
    """A number that each iteration of a loop changes.

    Attributes:
        type: in LLVM.
        at: the memory that holds it before and after the loop.
    """

    type: str
    at: str


Body = Callable[[str, str | None, list[str]], list[str]]
"""Emits the code of one iteration, from the first row's number, a mask of the rows that exist (None for all) and the carried
numbers; returns the new ones."""


def loop_over_rows(
    builder: Builder, n: str, together: int, reverse: bool, carried: Sequence[Carried], body: Body
) -> None:
    """Emit a loop over the n rows of a data set, `together` at a time, and one masked iteration for the rest."""
    start = builder.let(f"sub i64 {n}, {together}") if reverse else "0"
    stop = "0" if reverse else builder.let(f"sub i64 {n}, {together - 1}")
    step = -together if reverse else together
    index = counted_loop(builder, start, stop, step, carried, lambda i, old: body(i, None, old))
    if together == 1:
        return
    label = builder.label()
    left = builder.let(f"icmp sgt i64 {index}, {-together}" if reverse else f"icmp slt i64 {index}, {n}")
    builder.emit(f"  br i1 {left}, label %{label}.tail, label %{label}.end\n{label}.tail:")
    edge = builder.splat(builder.let(f"sub i64 {0 if reverse else n}, {index}"), "i64", together)
    mask = builder.let(f"icmp {'sge' if reverse else 'slt'} <{together} x i64> {iota(together)}, {edge}")
    _store(builder, carried, body(index, mask, _load(builder, carried)))
    builder.emit(f"  br label %{label}.end\n{label}.end:")


def counted_loop(
    builder: Builder, start: str, stop: str, step: int, carried: Sequence[Carried],
    body: Callable[[str, list[str]], list[str]],
) -> str:  # fmt: skip
    """Emit a loop from `start` while below `stop`, or at least `stop` for a negative step; return the index after the last."""
    label = builder.label()
    builder.emit(f"  br label %{label}.head\n{label}.head:")
    begun = _load(builder, carried)
    builder.emit(f"  br label %{label}.test\n{label}.test:")
    index, following = builder.name(), builder.name()
    builder.emit(f"  {index} = phi i64 [ {start}, %{label}.head ], [ {following}, %{label}.body ]")
    old, position = [builder.name() for _ in carried], len(builder.text)
    more = builder.let(f"icmp {'slt' if step > 0 else 'sge'} i64 {index}, {stop}")
    builder.emit(f"  br i1 {more}, label %{label}.body, label %{label}.rest\n{label}.body:")
    new = body(index, old)
    builder.text[position:position] = [
        f"  {name} = phi {x.type} [ {first}, %{label}.head ], [ {after}, %{label}.body ]"
        for name, x, first, after in zip(old, carried, begun, new, strict=True)
    ]
    builder.emit(f"  {following} = add i64 {index}, {step}")
    builder.emit(f"  br label %{label}.test\n{label}.rest:")
    _store(builder, carried, old)
    return index


def _load(builder: Builder, carried: Sequence[Carried]) -> list[str]:
    return [builder.let(f"load {x.type}, ptr {x.at}, align 64") for x in carried]


def _store(builder: Builder, carried: Sequence[Carried], values: Sequence[str]) -> None:
    for x, value in zip(carried, values, strict=True):
        builder.emit(f"  store {x.type} {value}, ptr {x.at}, align 64")
