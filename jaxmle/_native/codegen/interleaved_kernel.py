"""Kernels whose vectors go across data sets: each lane holds one of them, and all go through their rows side by side.

Where a row needs the one before, as in time series, or where rows are few, no vector of rows pays. Rows of the lanes'
data sets are laid out one beside the other first. When a few data sets have ended, others take their lanes, so that no
step is taken for the slowest alone. What is invariant is computed anew then for all lanes: the same numbers, at the price
of those that are new.
"""

from jaxmle._native.codegen.block import emit_nodes
from jaxmle._native.codegen.builder import SUFFIX
from jaxmle._native.codegen.context import InterleavedContext
from jaxmle._native.codegen.elements import to_double
from jaxmle._native.codegen.kernel import KernelEmitter
from jaxmle._native.codegen.scope import Scope
from jaxmle._native.ir.layout import Column, Layout
from jaxmle._native.ir.nodes import BOOL, cost, reachable
from jaxmle._native.ir.program import FitProgram


class InterleavedKernelEmitter(KernelEmitter):
    """Emits the text of a kernel that takes a row of each lane at a time.

    Attributes:
        data_sets, offset: which data sets the lanes have, and where their rows begin.
        idle: how many lanes wait for others to end before they take new data sets.
    """

    context: InterleavedContext

    def __init__(self, program: FitProgram, layout: Layout, lanes: int) -> None:
        super().__init__(program, InterleavedContext(layout, lanes))
        self.data_sets = self.offset = ""
        self.idle = idle_lanes(program, sum(x.own for x in layout.rows), lanes)

    def text(self) -> str:
        p, builder, context, w = self.program, self.builder, self.context, self.lanes
        emit, let = builder.emit, builder.let
        self._choose_buffers()
        emit(f"  store {builder.type('i8')} zeroinitializer, ptr %running, align 1")
        emit(f"  store {builder.type('i8')} zeroinitializer, ptr %taken, align 1")
        emit("  store i64 %begin, ptr %following, align 8")
        self._load_leaves()
        emit("  br label %next\nnext:")
        emit(_TAKE.replace("WIDTH", str(w)))
        emit("fill:")
        self.data_sets, self.offset, context.n = (
            let(f"load {builder.type('i64')}, ptr %{x}, align 64") for x in ("b", "offset.mine", "n")
        )
        fresh = context.load(builder, BOOL, "%fresh")
        busy = builder.op("or", fresh, self._running(), base="i1")
        emit(f"  br i1 {self._any(busy)}, label %full, label %ended\nended:\n  ret void")
        emit("full:")
        self._gather_rows(fresh, busy)
        invariant = self._invariant_scope(busy)
        active = self._and_valid(invariant, fresh)
        taken = builder.op("or", active, context.load(builder, BOOL, "%taken"), base="i1")
        context.store(builder, taken, BOOL, "%taken")
        active = builder.op("and", active, builder.invert(self._first_state(invariant, active)), base="i1")
        running = builder.op("or", self._running(), active, base="i1")
        self._set_running(running)
        emit(f"  br i1 {self._any(running)}, label %step, label %last")
        emit("step:")
        running, done = self._next_state(invariant, p.next_done)
        running = builder.op("and", running, builder.invert(done), base="i1")
        self._set_running(running)
        emit(f"  br i1 {self._any(running)}, label %enough, label %last\nenough:")
        left = let("load i64, ptr %following, align 8")
        more = let(f"icmp slt i64 {left}, %end")
        bits = let(f"bitcast {builder.type('i1')} {running} to i{w}")
        count = let(f"call i{w} @llvm.ctpop.i{w}(i{w} {bits})")
        idle = let(f"icmp ule i{w} {count}, {w - self.idle}")
        emit(f"  br i1 {let(f'and i1 {more}, {idle}')}, label %last, label %step")
        emit("last:")
        self._results(invariant)
        emit("  br label %next")
        context.allocas += [f"  %{x} = alloca [{w} x i64], align 64" for x in ("b", "offset.mine", "n")]
        context.allocas += [f"  %{x} = alloca [{w} x i8], align 64" for x in ("fresh", "taken")]
        context.allocas.append("  %following = alloca i64, align 8")
        return self.module()

    def _choose_buffers(self) -> None:
        super()._choose_buffers()
        columns = self.context.layout.rows
        read = {x.attr for x in self.program.nodes if x.op in ("load", "first")}
        self.context.reserve_columns(sorted(i for i in read if columns[i].own))

    def _gather_rows(self, fresh: str, busy: str) -> None:
        """Emit a gathering of the rows of data sets that are new, each in its lane beside the others."""
        builder, context, w = self.builder, self.context, self.lanes
        vector, numbers = builder.type("double"), builder.type("i64")
        none, all_ = builder.const(0, "i64"), builder.const((1 << 63) - 1, "i64")
        rows = builder.select(busy, context.n, none, "i64")
        context.longest = builder.let(f"call i64 @llvm.vector.reduce.smax.v{w}i64({numbers} {rows})")
        rows = builder.select(busy, context.n, all_, "i64")
        context.shortest = builder.let(f"call i64 @llvm.vector.reduce.smin.v{w}i64({numbers} {rows})")

        def body(index: str, mask: str | None, _: list[str]) -> list[str]:
            at = builder.op("add", self.offset, builder.splat(index, "i64"), base="i64")
            new = fresh if mask is None else builder.op("and", fresh, mask, base="i1")
            for i, buffer in context.columns.items():
                address = context.buffer_at(builder, buffer, index)
                x = self._gather(f"getelementptr double, ptr {context.leaves[i]}, {numbers} {at}", "double", new)
                builder.emit(
                    f"  call void @llvm.masked.store.v{w}f64.p0({vector} {x}, ptr {address}, i32 8, {builder.type('i1')} {fresh})"
                )
            return []

        context.loop_over_rows(builder, 1, False, [], body)

    def _results(self, invariant: Scope) -> None:
        """Emit stores of the results of data sets that have ended; their lanes are free."""
        builder, context, addresses = self.builder, self.context, self.builder.type("i64")
        let = builder.let
        taken, running = context.load(builder, BOOL, "%taken"), self._running()
        ended = builder.op("and", taken, builder.invert(running), base="i1")
        context.store(builder, builder.op("and", taken, running, base="i1"), BOOL, "%taken")
        last = self._state_scope(invariant)
        emit_nodes(last, self.program.results)
        thread = builder.op("sub", self.data_sets, builder.splat("%begin", "i64"), base="i64")
        for i, x in enumerate(self.program.results):
            first = let(f"getelementptr double, ptr %out, i64 {let(f'mul i64 %threads, {i}')}")
            at = let(f"getelementptr double, ptr {first}, {addresses} {thread}")
            self._scatter(to_double(builder, last.name(x), x.kind), "double", at, ended)
        at = let(f"getelementptr i8, ptr %left, {addresses} {self.data_sets}")
        self._scatter(builder.const(0, "i8"), "i8", at, ended)

    def _gather(self, at: str, base: str, mask: str) -> str:
        """Emit a load of one number of each lane; 1 outside the mask."""
        builder, w = self.builder, self.lanes
        t, addresses = builder.type(base), f"<{w} x ptr> {builder.let(at)}"
        return builder.let(
            f"call {t} @llvm.masked.gather.v{w}{SUFFIX[base]}.v{w}p0({addresses}, i32 8, {builder.type('i1')} {mask}, {t} {builder.const(1, base)})"
        )

    def _scatter(self, value: str, base: str, addresses: str, mask: str) -> None:
        w = self.lanes
        self.builder.emit(
            f"  call void @llvm.masked.scatter.v{w}{SUFFIX[base]}.v{w}p0({self.builder.type(base)} {value}, <{w} x ptr> {addresses}, i32 1, <{w} x i1> {mask})"
        )

    def _load_each(self, numbers: str, inside: str, base: str, column: Column | None = None) -> str:
        at = f"getelementptr {base}, ptr {numbers}, {self.builder.type('i64')} {self.data_sets}"
        return self._gather(at, base, inside)

    def declarations(self) -> str:
        w = self.lanes
        reduce = "".join(f"declare i64 @llvm.vector.reduce.{f}.v{w}i64(<{w} x i64>)\n" for f in ("smin", "smax"))
        count = f"declare i{w} @llvm.ctpop.i{w}(i{w})\n"
        gather = (
            f"declare <{w} x double> @llvm.masked.gather.v{w}f64.v{w}p0(<{w} x ptr>, i32, <{w} x i1>, <{w} x double>)\n"
        )
        scatter = "".join(
            f"declare void @llvm.masked.scatter.v{w}{SUFFIX[t]}.v{w}p0(<{w} x {t}>, <{w} x ptr>, i32, <{w} x i1>)\n"
            for t in ("double", "i8")
        )
        return f"{super().declarations()}{reduce}{count}{gather}{scatter}"


_TAKE = """  br label %take
take:
  %j = phi i64 [ 0, %next ], [ %j.next, %take.done ]
  %j.next = add i64 %j, 1
  %j.more = icmp slt i64 %j, WIDTH
  br i1 %j.more, label %take.look, label %fill
take.look:
  %j.taken.at = getelementptr i8, ptr %taken, i64 %j
  %j.taken = load i8, ptr %j.taken.at, align 1
  %j.fresh.at = getelementptr i8, ptr %fresh, i64 %j
  store i8 0, ptr %j.fresh.at, align 1
  %j.free = icmp eq i8 %j.taken, 0
  br i1 %j.free, label %take.try, label %take.done
take.try:
  %j.b = load i64, ptr %following, align 8
  %j.left = icmp slt i64 %j.b, %end
  br i1 %j.left, label %take.it, label %take.done
take.it:
  %j.b1 = add i64 %j.b, 1
  store i64 %j.b1, ptr %following, align 8
  %j.count.at = getelementptr i64, ptr %count, i64 %j.b
  %j.count = load i64, ptr %j.count.at, align 8
  %j.rows = icmp sgt i64 %j.count, 0
  br i1 %j.rows, label %take.rows, label %take.try
take.rows:
  %j.offset.at = getelementptr i64, ptr %offset, i64 %j.b
  %j.offset = load i64, ptr %j.offset.at, align 8
  %j.to.b = getelementptr i64, ptr %b, i64 %j
  %j.to.offset = getelementptr i64, ptr %offset.mine, i64 %j
  %j.to.n = getelementptr i64, ptr %n, i64 %j
  store i64 %j.b, ptr %j.to.b, align 8
  store i64 %j.offset, ptr %j.to.offset, align 8
  store i64 %j.count, ptr %j.to.n, align 8
  store i8 1, ptr %j.fresh.at, align 1
  br label %take.done
take.done:
  br label %take
"""
"Gives each free lane the next data set that has rows."


def idle_lanes(program: FitProgram, columns: int, lanes: int) -> int:
    """Choose how many data sets are to end before others take their lanes: then all that is invariant is computed anew.

    With as many operations a row for that as a step has times r, m at a time, about 8 steps for each, that costs
    r lanes / (8 m) of a step each, and (m - 1) / 2 of `lanes` are idle: least at m = 4 sqrt(r) of eight.
    """
    invariant = [x for x in program.nodes if x.row and x.invariant]
    varying = [x for x in reachable([*program.next_state, program.next_done]) if x.row and not x.invariant]
    ratio = (sum(map(cost, invariant)) + 5 * columns) / max(sum(map(cost, varying)), 1)
    return min(max(round(lanes / 2 * ratio**0.5), 1), lanes)
