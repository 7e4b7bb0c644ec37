"""Templates of the native compiler, compiled alone: functions of arrays, and passes over the rows of a few data sets."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
from graphs import evaluate

from jaxmle._native.codegen import sorting
from jaxmle._native.codegen.builder import Builder
from jaxmle._native.codegen.context import Context, InterleavedContext
from jaxmle._native.codegen.elements import to_double
from jaxmle._native.codegen.scope import Scope
from jaxmle._native.codegen.vector_math import functions, intrinsics
from jaxmle._native.ir.layout import Column, Layout
from jaxmle._native.ir.nodes import FLOAT, reachable
from jaxmle._native.runtime import cpu

W = 4
KEPT = []  # the owners of compiled code, for as long as the tests run


def compiled(text):
    """The address of @f in a module."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine, _ = cpu.target_machine(llvm)
    module = llvm.parse_assembly(text)
    cpu.inline(llvm, module, machine)
    module.verify()
    KEPT.append(cpu.load(llvm, machine.emit_object(module)))
    return KEPT[-1]


def declarations(width):
    masked = "".join(
        f"declare <{k} x {t}> @llvm.masked.load.v{k}{n}.p0(ptr, i32, <{k} x i1>, <{k} x {t}>)\n"
        f"declare void @llvm.masked.store.v{k}{n}.p0(<{k} x {t}>, ptr, i32, <{k} x i1>)\n"
        for k in {width, 2 * width} - {1} for t, n in (("double", "f64"), ("i64", "i64"))
    )  # fmt: skip
    return masked + "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n"


def run(body, *arguments, widths=(W,), reals=("double",), allocas=(), extra=""):
    """Compiles a function of these arguments, arrays (%a0, %a1, ...) and integers (%i0, ...), and calls it.

    Args:
        body: appends its code to a builder.
        allocas: a list that is read once the body is there.
    """
    builder, names, pointers, types, given = Builder(), [], [], [], []
    for x in arguments:
        array = isinstance(x, np.ndarray)
        names.append(f"{'ptr %a' if array else 'i64 %i'}{sum(t is type_of(x) for t in types)}")
        types.append(type_of(x))
        given.append(x.ctypes.data if array else x)
        pointers.append(ctypes.c_void_p if array else ctypes.c_int64)
    body(builder)
    own = {(k, r) for k in (1, *widths) for r in reals}
    parts = [intrinsics(k, r) for k in {1, 2, 4, 8, *widths} for r in ("double", "float")]
    parts += [functions(*x) for x in sorted(own)] if reals else []
    text = "\n".join(
        [
            *parts, declarations(W), extra, f"define void @f({', '.join(names)}) {{", "entry:", *allocas, *builder.text,
            "  ret void", "}",
        ]
    )  # fmt: skip
    ctypes.CFUNCTYPE(None, *pointers)(compiled(text).get_function_address("f"))(*given)


def type_of(x):
    return np.ndarray if isinstance(x, np.ndarray) else int


def at(builder, pointer, index, base="double"):
    return builder.let(f"getelementptr {base}, ptr {pointer}, i64 {index}")


def doubles(rng, *shape):
    return np.ascontiguousarray(rng.normal(size=shape))


class Template:
    """Runs code that reads rows, for one data set in vectors (or one row at a time), or for `W` data sets interleaved.

    Args:
        data: columns f[lanes, columns, n].
        lengths: rows of each data set.
    """

    def __init__(self, data, state, lengths, width, interleaved=False, real="double"):
        self.data, self.lengths, self.real = data, np.asarray(lengths, np.int64), real
        lanes, columns, self.n = data.shape
        layout = Layout([Column(True, 1)] * columns, [])
        if interleaved:
            self.context = InterleavedContext(layout, lanes)
            self.context.reserve_columns(range(columns))
        else:
            self.context = Context(layout, width)
        self.state = np.ascontiguousarray(state.T)  # [numbers, lanes]
        self.lanes = lanes if interleaved else 1

    def __call__(self, emit, outputs):
        """Emits code in a scope; the values of uniform outputs f[outputs, lanes], and of all buffers."""
        context, builder = self.context, Builder(self.lanes)
        buffers = 12
        scratch = np.full((buffers, self.n, self.lanes), np.nan)
        out = np.zeros((len(outputs), self.lanes))
        if context.interleaved:
            scratch[: self.data.shape[1]] = np.moveaxis(self.data, 0, 2)
            context.n = builder.let(f"load {builder.type('i64')}, ptr %lengths, align 8")
            context.shortest, context.longest = "%shortest", "%longest"
        else:
            context.n = "%longest"
            context.row_base = [
                builder.let(f"getelementptr double, ptr %data, i64 {i * self.n}") for i in range(self.data.shape[1])
            ]
        scope = Scope(context, builder, {}, {}, set(), self.real)
        for x in reachable(outputs):
            if x.op == "state":
                scope.names[x] = context.load(builder, FLOAT, at(builder, "%state", x.attr * self.lanes))
            elif x.op == "count":
                scope.names[x] = context.n
        emit(scope)
        for i, x in enumerate(outputs):
            value = to_double(builder, scope.names[x], x.kind)
            builder.emit(
                f"  store {builder.type('double')} {value}, ptr {at(builder, '%out', i * self.lanes)}, align 8"
            )
        parts = [intrinsics(k, r) for k in (1, 2, 4, 8) for r in ("double", "float")]
        parts += [functions(k, r) for k in (1, W) for r in ("double",)]
        parts += [functions(context.vector_width("float"), "float")] if self.real == "float" else []
        names = "ptr %data, ptr %state, ptr %lengths, ptr %scratch, ptr %out, i64 %shortest, i64 %longest, i64 %room"
        text = "\n".join([
            *parts, declarations(W), sorting.FUNCTIONS, f"define void @f({names}) {{", "entry:", *context.allocas,
            *builder.text, "  ret void", "}",
        ])  # fmt: skip
        call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, *[ctypes.c_int64] * 3)
        arrays = [self.data, self.state, self.lengths, scratch, out]
        bounds = int(self.lengths.min()), int(self.lengths.max()), self.n
        call(compiled(text).get_function_address("f"))(*(x.ctypes.data for x in arrays), *bounds)
        assert context.buffers <= buffers
        return out, scratch, scope


def expected(nodes, template, lane):
    """The values of nodes for one data set, by NumPy."""
    n = int(template.lengths[lane])
    inputs = {("state", i): x[lane] for i, x in enumerate(template.state)}
    inputs |= {("load", i): x[:n] for i, x in enumerate(template.data[lane])}
    return evaluate(nodes, inputs, n)


WAYS = {
    "one row at a time": {"width": 1, "lengths": [7]},
    "vectors": {"width": W, "lengths": [11]},
    "whole vectors": {"width": W, "lengths": [8]},
    "a row": {"width": W, "lengths": [1]},
    "interleaved": {"width": 1, "lengths": [3, 9, 6, 9], "interleaved": True},
}


def template(way, real="double", seed=3):
    rng, options = np.random.default_rng(seed), WAYS[way]
    lanes, n = len(options["lengths"]), max(options["lengths"])
    return Template(doubles(rng, lanes, 3, n), rng.normal(size=(lanes, 3)), real=real, **options)


def inputs_of(graph):
    return [graph.leaf("state", i, FLOAT, False, False) for i in range(3)], [
        graph.leaf("load", i, FLOAT, True, True) for i in range(3)
    ]
