"""From programs of nodes to LLVM: one function that fits one data set after another, or a thread of a GPU that fits one.

On a CPU a few data sets go together, one in each lane of a vector, wherever a number belongs to a data set; their rows
go through vectors one data set after another, all sums of one stage in a single pass. What is invariant in the loop of
steps is computed once for each data set, before its first step; rows that are invariant and costly wait in a buffer. A
thread of a GPU has one data set and takes one row at a time; the buffers of threads lie side by side, so that neighbors
read neighbors.
"""

from collections.abc import Sequence

from jaxmle._native.codegen.block import emit_nodes, emit_value_counts
from jaxmle._native.codegen.builder import SUFFIX, Builder, iota, vector_of
from jaxmle._native.codegen.context import Context, ThreadContext
from jaxmle._native.codegen.elements import from_double, to_double
from jaxmle._native.codegen.entry import GRID, ONE_AFTER_ANOTHER, THREAD
from jaxmle._native.codegen.histogram import number_of_values
from jaxmle._native.codegen.module import assemble_module
from jaxmle._native.codegen.scope import Scope
from jaxmle._native.ir.layout import Column, Layout
from jaxmle._native.ir.nodes import BOOL, FLOAT, Node, costly, reachable, rows_under
from jaxmle._native.ir.program import Draft, FitProgram
from jaxmle._native.passes.value_counts import columns_summed, depends_on_values


class KernelEmitter:
    """Emits the text of one kernel.

    Args:
        program: the fit.
        context: memory of the kernel; `vector_kernel` and `thread_kernel` make one.
    """

    def __init__(self, program: FitProgram, context: Context) -> None:
        self.program, self.context, self.lanes = program, context, context.lanes
        self.builder = Builder(context.lanes)

    def text(self) -> str:
        """Write the module: `fit` as `runtime.cpu.Kernel.call` has it.

        Results go to columns, `threads` numbers from one to the next.
        """
        p, builder, w = self.program, self.builder, self.lanes
        self._choose_buffers()
        emit, let = builder.emit, builder.let
        emit("  br label %next")
        emit("next:")
        emit("  %b = phi i64 [ %begin, %entry ], [ %b1, %skip ]")
        emit(f"  %b1 = add i64 %b, {w}")
        emit("  %more = icmp slt i64 %b, %end")
        emit("  br i1 %more, label %set, label %out_of_work")
        emit("out_of_work:")
        emit("  ret void")
        emit("set:")
        inside = ""
        if w > 1:
            emit("  %thread = sub i64 %b, %begin")
            each = builder.op("add", builder.splat("%b", "i64"), iota(w), base="i64")
            inside = builder.compare("slt", each, builder.splat("%end", "i64"), "i64")
        self.context.n = self._load_each("%count", inside, "i64")
        self._load_leaves()
        if w == 1:
            self.context.locate(builder, "%b")
        active = builder.compare("sgt", self.context.n, builder.const(0, "i64"), "i64")
        self._set_running(active)
        emit(f"  br i1 {self._any(active)}, label %full, label %skip")
        emit("full:")
        invariant = self._invariant_scope(inside)
        active = self._and_valid(invariant, active)
        self._set_running(active)
        emit(f"  br i1 {self._any(active)}, label %legal, label %skip")
        emit("legal:")
        left = let("getelementptr i8, ptr %left, i64 %b")
        self._store_each(builder.const(0, "i8"), "i8", left, active)
        emit_value_counts(invariant)
        finished = self._first_state(invariant)
        if p.draft is not None:
            self._draft(p.draft, active, finished, invariant)
        else:
            self._branch(active, finished)
        emit("step:")
        self._branch(*self._next_state(invariant, p.next_done))
        emit("last:")
        self._set_running(active)
        last = self._state_scope(invariant)
        emit_nodes(last, p.results)
        for i, x in enumerate(p.results):
            at = let(f"add i64 {let(f'mul i64 %threads, {i}')}, %thread")
            value = to_double(builder, last.name(x), x.kind)
            self._store_each(value, "double", let(f"getelementptr double, ptr %out, i64 {at}"), active)
        emit("  br label %skip")
        emit("skip:")
        emit("  br label %next")
        return self.module()

    # --- what is invariant -------------------------------------------------------------------------------

    def _choose_buffers(self) -> None:
        """Choose buffers for invariant rows of steps that cost more than a few operations to make again, and for values."""
        inputs = self._invariant_inputs()
        columns = columns_summed(self.program.from_state)
        self.context.reserve(costly(x for x in inputs if x.row and not depends_on_values(x)), columns)
        self.context.allocas += [f"  {number_of_values(c)} = alloca [{self.lanes} x i64], align 64" for c in columns]

    def _invariant_inputs(self) -> list[Node]:
        """List the invariant nodes that steps and results use."""
        p = self.program
        varying = [x for x in reachable(p.from_state) if not x.invariant]
        roots = [x for x in p.from_state if x.invariant]
        return list(dict.fromkeys([*roots, *(a for x in varying for a in x.args if a.invariant)]))

    def _load_leaves(self) -> None:
        builder = self.builder
        at = [builder.let(f"getelementptr ptr, ptr %leaves, i64 {i}") for i in range(len(self.context.layout.rows))]
        self.context.leaves = [builder.let(f"load ptr, ptr {x}") for x in at]

    def _invariant_scope(self, inside: str) -> Scope:
        """Begin a scope with the numbers of a data set, and how many rows it has."""
        builder, let, layout = self.builder, self.builder.let, self.context.layout
        scope = Scope(self.context, builder, {}, {}, set())
        for x in self.program.nodes:
            if x.op == "number":
                base = let(f"load ptr, ptr {let(f'getelementptr ptr, ptr %leaves, i64 {len(layout.rows) + x.attr}')}")
                column = layout.numbers[x.attr]
                if column.own:
                    value = self._load_each(base, inside, "double", column)
                else:
                    value = builder.splat(let(f"load double, ptr {base}, align 8"), "double")
                scope.names[x] = from_double(builder, value, x.kind)
            elif x.op in ("count", "length"):
                scope.names[x] = self.context.n
        return scope

    def _and_valid(self, invariant: Scope, active: str) -> str:
        """Restrict a mask to the data sets that meet the program's conditions."""
        emit_nodes(invariant, self.program.valid)
        for x in self.program.valid:
            active = self.builder.op("and", active, invariant.name(x), base="i1")
        return active

    def _first_state(self, invariant: Scope, mask: str = "") -> str:
        """Store the first state, of those that the mask names, and the rows that steps read; return whether it is the last."""
        p = self.program
        emit_nodes(invariant, p.first_state)
        self._store_state(p.first_state, invariant, mask)
        inputs = self._invariant_inputs()
        _, uniform = rows_under([x for x in inputs if x.row], {})
        emit_nodes(invariant, [*uniform, *(x for x in inputs if not x.row)], list(self.context.row_buffers))
        start = self._state_scope(invariant)
        emit_nodes(start, [p.first_done])
        return start.name(p.first_done)

    # --- steps -------------------------------------------------------------------------------------------

    def _next_state(self, invariant: Scope, last: Node, real: str = "double") -> tuple[str, str]:
        """Store the next state of the lanes that run; return which they are, and whether it is the `last`."""
        p, step = self.program, self._state_scope(invariant, real)
        emit_nodes(step, [*p.next_state, last])
        running = self._running()
        self._store_state(p.next_state, step, running)
        return running, step.name(last)

    def _state_scope(self, invariant: Scope, real: str = "double") -> Scope:
        """Begin a scope with the state as it is."""
        context = self.context
        scope = Scope(context, self.builder, invariant.names, context.row_buffers, invariant.written, real)
        for x in reachable(self.program.from_state):
            if x.op == "state":
                value = context.load(self.builder, FLOAT, self._state_at(x.attr))
                scope.names[x] = from_double(self.builder, value, x.kind)
        return scope

    def _draft(self, draft: Draft, active: str, finished: str, invariant: Scope) -> None:
        """Emit the same steps, their rows in float32, until they end; another ascent begins where they lead."""
        emit = self.builder.emit
        self._branch(active, finished, "draft", "drafted")
        emit("draft:")
        self._branch(*self._next_state(invariant, draft.ended, "float"), "draft", "drafted")
        emit("drafted:")
        self._set_running(active)
        restart = self._state_scope(invariant)
        emit_nodes(restart, [*draft.restart, draft.finished])
        self._store_state(draft.restart, restart, active)
        self._branch(active, restart.name(draft.finished))

    def _branch(self, running: str, done: str, step: str = "step", last: str = "last") -> None:
        """Branch to another step while a lane runs that is not done."""
        builder = self.builder
        running = builder.op("and", running, builder.invert(done), base="i1")
        self._set_running(running)
        builder.emit(f"  br i1 {self._any(running)}, label %{step}, label %{last}")

    def _state_at(self, i: int) -> str:
        return self.builder.let(f"getelementptr double, ptr %state, i64 {i * self.lanes}")

    def _store_state(self, nodes: Sequence[Node], scope: Scope, mask: str = "") -> None:
        """Store the state; of the lanes that the mask leaves out it stays."""
        builder, context, new = self.builder, self.context, []
        for i, x in enumerate(nodes):
            if x.op != "state" or x.attr != i:
                value, at = to_double(builder, scope.name(x), x.kind), self._state_at(i)
                if mask and self.lanes > 1:
                    value = builder.select(mask, value, context.load(builder, FLOAT, at))
                new.append((value, at))
        for value, at in new:
            context.store(builder, value, FLOAT, at)

    # --- lanes -------------------------------------------------------------------------------------------

    def _any(self, mask: str) -> str:
        w = self.lanes
        return mask if w == 1 else self.builder.let(f"call i1 @llvm.vector.reduce.or.v{w}i1(<{w} x i1> {mask})")

    def _set_running(self, mask: str) -> None:
        """Store whose rows are read from here on."""
        if self.lanes > 1:
            self.context.store(self.builder, mask, BOOL, "%running")

    def _running(self) -> str:
        return "true" if self.lanes == 1 else self.context.load(self.builder, BOOL, "%running")

    def _load_each(self, numbers: str, inside: str, base: str, column: Column | None = None) -> str:
        """Emit a load of one number of each data set, 0 outside the mask."""
        builder, w = self.builder, self.lanes
        t, b = builder.type(base), "%b" if column is None else self.context.strided(builder, "%b", column)
        at = builder.let(f"getelementptr {base}, ptr {numbers}, i64 {b}")
        if w == 1:
            return builder.let(f"load {t}, ptr {at}, align 8")
        return builder.let(
            f"call {t} @llvm.masked.load.v{w}{SUFFIX[base]}.p0(ptr {at}, i32 8, {builder.type('i1')} {inside}, {t} zeroinitializer)"
        )

    def _store_each(self, value: str, base: str, at: str, mask: str) -> None:
        """Emit a store of one number of each data set that the mask names."""
        t, w = self.builder.type(base), self.lanes
        if w == 1:
            self.builder.emit(f"  store {t} {value}, ptr {at}")
        else:
            self.builder.emit(
                f"  call void @llvm.masked.store.v{w}{SUFFIX[base]}.p0({t} {value}, ptr {at}, i32 1, <{w} x i1> {mask})"
            )

    # --- the module --------------------------------------------------------------------------------------

    def declarations(self) -> str:
        """Declare LLVM's own functions of vectors in memory."""
        w, wide = self.lanes, vector_of(self.context.width, "float") if self.program.draft else 1
        masked = "".join(
            f"declare <{k} x {t}> @llvm.masked.load.v{k}{name}.p0(ptr, i32, <{k} x i1>, <{k} x {t}>)\n"
            f"declare void @llvm.masked.store.v{k}{name}.p0(<{k} x {t}>, ptr, i32, <{k} x i1>)\n"
            for k in sorted({self.context.width, wide, w} - {1})
            for t, name in SUFFIX.items()
        )
        memset = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n" if self.context.value_buffers else ""
        return f"{masked}{memset}declare i1 @llvm.vector.reduce.or.v{w}i1(<{w} x i1>)\n"

    def module(self) -> str:
        """Write the module around the lines that have been emitted."""
        p, context = self.program, self.context
        thread = isinstance(context, ThreadContext)
        head = [f"  %state = alloca [{max(len(p.first_state), 1) * self.lanes} x double], align 64"]
        if not thread:
            head += [
                f"  %lane = mul i64 %room, {context.buffers}",
                f"  %running = alloca [{self.lanes} x i8], align 64",
            ]
        body = [
            THREAD if thread else ONE_AFTER_ANOTHER,
            *head,
            *context.allocas,
            *self.builder.text,
            "}",
            GRID if thread else "",
        ]
        return assemble_module(
            body,
            "" if thread else self.declarations(),
            context.width,
            self.lanes,
            draft=p.draft is not None,
            sorts=p.sorts,
        )


def vector_kernel(program: FitProgram, layout: Layout, width: int, lanes: int) -> KernelEmitter:
    """Make the emitter of a kernel for a CPU: `width` rows of a data set go together, and `lanes` data sets."""
    return KernelEmitter(program, Context(layout, width, lanes))


def thread_kernel(program: FitProgram, layout: Layout) -> KernelEmitter:
    """Make the emitter of a kernel for a GPU: a thread for each data set."""
    return KernelEmitter(program, ThreadContext(layout, 1))
