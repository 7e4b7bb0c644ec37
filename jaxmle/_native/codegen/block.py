"""A block: straight code for some nodes of a kernel, with passes over the rows where there are sums or series."""

from collections.abc import Sequence

from jaxmle._native.codegen.builder import BYTE
from jaxmle._native.codegen.elements import emit_operation
from jaxmle._native.codegen.histogram import emit_histograms, number_of_values
from jaxmle._native.codegen.lane_loop import LaneLoop, emit_lane_loop
from jaxmle._native.codegen.recurrence import emit_recurrences
from jaxmle._native.codegen.row_pass import emit_row_pass
from jaxmle._native.codegen.schedule import Stage, number_passes, schedule
from jaxmle._native.codegen.scope import Scope
from jaxmle._native.codegen.sorting import emit_sorts
from jaxmle._native.ir.nodes import Node, reachable


def emit_nodes(scope: Scope, outputs: Sequence[Node], keep: Sequence[Node] = ()) -> None:
    """Emit code for uniform nodes and name them in the scope; rows in `keep` go to their buffers."""
    nodes = reachable([*outputs, *keep], lambda x: x not in scope.names and x not in scope.stored)
    nodes = [x for x in nodes if x not in scope.names and x not in scope.stored]
    number = number_passes(nodes)
    for i, stage in enumerate(schedule(nodes, number, keep, scope.stored)):
        if any(stage):
            _emit_stage(scope, stage, reverse=i > 0 and i % 2 == 0)
        for column in scope.context.value_buffers:
            ends = [x for x in nodes if number[x] == i and x.op == "rsum" and x.attr == column]
            if ends:
                _emit_stage(scope, Stage([], ends, [], [], []), reverse=False, column=column)
        for x in nodes:
            if number[x] == i and not x.row and x.op not in ("loop", "sort") and x not in scope.names:
                assert x.op != "load", "a row outside its loop"
                scope.names[x] = emit_operation(scope.builder, x, [scope.name(a) for a in x.args])


def emit_value_counts(scope: Scope) -> None:
    """Emit histograms of the columns that have buffers for their values."""
    context = scope.context
    if context.value_buffers:
        emit_lane_loop(
            context, scope.builder, scope.names, scope.written,
            lambda lane: emit_histograms(context, lane, context.value_buffers),
        )  # fmt: skip


def _emit_stage(scope: Scope, stage: Stage, reverse: bool, column: int | None = None) -> None:
    """Emit a stage over rows, or over the values of a column, for one data set after the other."""
    context, outer = scope.context, scope.builder
    if not context.loops_over_lanes:
        _emit_rows(scope, stage, reverse)
        return

    def body(lane: LaneLoop) -> None:
        inner = lane.builder
        with scope.inside(lane):
            if column is not None:
                at = inner.let(f"getelementptr i64, ptr {number_of_values(column)}, i64 {lane.lane}")
                context.n = inner.let(f"load i64, ptr {at}, align 8")
            _emit_rows(scope, stage, reverse)
        for x in stage.results:
            at = inner.let(f"getelementptr {BYTE[x.kind]}, ptr {context.slot(x)}, i64 {lane.lane}")
            context.store(inner, lane.names[x], x.kind, at)

    emit_lane_loop(context, outer, scope.names, scope.written, body)
    for x in stage.results:
        scope.names[x] = context.load(outer, x.kind, context.slot(x))
    scope.written.update(stage.results)


def _emit_rows(scope: Scope, stage: Stage, reverse: bool) -> None:
    for x in stage.firsts:
        scope.define(x, scope.context.load_column(scope.builder, x, "0", None))
    if stage.ends or stage.keep:
        emit_row_pass(scope, stage.ends, stage.keep, reverse)
    for group in ([r for r in stage.recurrences if r.reverse == backwards] for backwards in (False, True)):
        if group:
            emit_recurrences(scope, group)
    if stage.sorts:
        emit_sorts(scope, stage.sorts)
