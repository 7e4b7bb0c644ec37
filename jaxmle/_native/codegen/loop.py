"""Loops over rows, with numbers that each row changes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jaxmle._native.codegen.vector_math import Lines, splat, upwards

if TYPE_CHECKING:
    from jaxmle._native.codegen.kernel import Emitter

Body = Callable[[str, str | None, list[str]], list[str]]
"Writes the code of some rows, from the first one's number, which are there (None for all) and the numbers before; what they are after."


Spot = tuple[str, str]
"The type of a number that rows change, and where it is in memory before and after."


def one_data_set(
    emit: "Emitter", lines: Lines, together: int, reverse: bool, spots: Sequence[Spot], body: Body
) -> None:
    """A loop over its rows, `together` at a time, and what is left where they do not come out even."""
    n = emit.n
    start = lines.let(f"sub i64 {n}, {together}") if reverse else "0"
    stop = "0" if reverse else lines.let(f"sub i64 {n}, {together - 1}")
    step = -together if reverse else together
    index = stretch(emit, lines, start, stop, step, spots, lambda i, old: body(i, None, old))
    if together == 1:
        return
    label = emit.label()
    left = lines.let(f"icmp sgt i64 {index}, {-together}" if reverse else f"icmp slt i64 {index}, {n}")
    lines.put(f"  br i1 {left}, label %{label}.tail, label %{label}.end\n{label}.tail:")
    edge = splat(lines, lines.let(f"sub i64 {0 if reverse else n}, {index}"), "i64", together)
    mask = lines.let(f"icmp {'sge' if reverse else 'slt'} <{together} x i64> {upwards(together)}, {edge}")
    _store(lines, spots, body(index, mask, _load(lines, spots)))
    lines.put(f"  br label %{label}.end\n{label}.end:")


def stretch(
    emit: "Emitter", lines: Lines, start: str, stop: str, step: int, spots: Sequence[Spot],
    body: Callable[[str, list[str]], list[str]],
) -> str:  # fmt: skip
    """A loop from `start` as long as `stop` is ahead, upwards, or not passed, downwards; the number after the last."""
    label = emit.label()
    lines.put(f"  br label %{label}.head\n{label}.head:")
    begun = _load(lines, spots)
    lines.put(f"  br label %{label}.test\n{label}.test:")
    index, following = lines.name(), lines.name()
    lines.put(f"  {index} = phi i64 [ {start}, %{label}.head ], [ {following}, %{label}.body ]")
    old, place = [lines.name() for _ in spots], len(lines.text)
    more = lines.let(f"icmp {'slt' if step > 0 else 'sge'} i64 {index}, {stop}")
    lines.put(f"  br i1 {more}, label %{label}.body, label %{label}.rest\n{label}.body:")
    new = body(index, old)
    lines.text[place:place] = [
        f"  {name} = phi {kind} [ {first}, %{label}.head ], [ {after}, %{label}.body ]"
        for name, (kind, _), first, after in zip(old, spots, begun, new, strict=True)
    ]
    lines.put(f"  {following} = add i64 {index}, {step}")
    lines.put(f"  br label %{label}.test\n{label}.rest:")
    _store(lines, spots, old)
    return index


def _load(lines: Lines, spots: Sequence[Spot]) -> list[str]:
    return [lines.let(f"load {kind}, ptr {spot}, align 64") for kind, spot in spots]


def _store(lines: Lines, spots: Sequence[Spot], values: Sequence[str]) -> None:
    for (kind, spot), value in zip(spots, values, strict=True):
        lines.put(f"  store {kind} {value}, ptr {spot}, align 64")
