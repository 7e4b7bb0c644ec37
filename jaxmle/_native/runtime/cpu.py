"""Compiled kernels for this CPU: one function that fits data sets one after another."""

import ctypes
import functools
import hashlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxmle._native.codegen.interleaved_kernel import InterleavedKernelEmitter
from jaxmle._native.codegen.kernel import KernelEmitter, vector_kernel
from jaxmle._native.ir.layout import Layout
from jaxmle._native.ir.nodes import critical_path, reachable
from jaxmle._native.ir.program import FitProgram
from jaxmle._native.passes.value_counts import columns_summed
from jaxmle._util import cache
from jaxmle._util.optional import optional

if TYPE_CHECKING:
    from llvmlite.binding import ExecutionEngine, ModuleRef, TargetMachine
else:
    ExecutionEngine = ModuleRef = TargetMachine = Any

CALL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 6, ctypes.c_int64, ctypes.c_int64)


class Kernel(NamedTuple):
    """A compiled function, and how its arguments are laid out.

    Attributes:
        call: fit(begin, end, leaves, offset, count, out, left, scratch, rows of a buffer, columns' distance in out).
        states, results, buffers: numbers in a state, in a result, and buffers of rows.
        lanes: data sets that go together, each with a state and buffers.
        interleaved: whether their rows do.
        engine: LLVM's owner of the code.
        name: a hash of its text, the same in any process.
    """

    call: Callable[..., None]
    states: int
    results: int
    buffers: int
    lanes: int
    interleaved: bool
    engine: ExecutionEngine
    name: str


def target_machine(llvm: ModuleType) -> tuple[TargetMachine, int]:
    """Describe this CPU to LLVM; return the description, and how many float64 are one of its vectors."""
    features = llvm.get_host_cpu_features()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3, jit=True)
    return machine, 8 if features.get("avx512f") else 4


def inline(llvm: ModuleType, module: ModuleRef, machine: TargetMachine) -> None:
    """Inline the elementary functions in a module: what a loop holds in registers may stay there."""
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))


_HIDDEN = 300
"""Cycles that a processor's looking ahead hides. One vector of rows at a time needs the fewest registers, but where a row
takes longer than this from its first operation to its last, two go side by side: of nine workloads a mixture (355)
took 1.3 times as long with one, a logistic regression (347) the same, the others (up to 293) 0 to 17 % less."""

FEW = 32
"""Rows up to which vectors go across data sets. A Gaussian spot takes 0.65, 0.84, 0.76, 0.83, 0.95 of the time so with 9, 16,
25, 36 and 64 rows, a logistic regression 1.00, 1.01, 0.95, 0.91, 1.13 (AVX-512)."""

CACHE = 1 << 20
"""Bytes of rows that each step reads again, up to which data sets go together. Where rows need the one before in straight
lines, as in a GARCH, vectors across data sets take 0.73 of the time below it, 1.0 at twice and 1.6 at four times as much;
where they do so otherwise, as in a Kalman filter, 0.5 up to eight times as much."""

LONG = 2048
"""Rows up to which one sum takes them all one after the other. Of a Kalman filter with 4000 rounding is so large that the
certificate is reached 1.5 steps later, with 2500 it was not; elsewhere each sum is eight, put together at the end."""


def compile_program(program: FitProgram, layout: Layout) -> Callable[[int], Kernel]:
    """Choose kernels of a fit by the most rows of a data set: one of two, each compiled when it is asked for."""
    llvm = optional("llvmlite.binding", "native")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    width = target_machine(llvm)[1]
    step = [*program.next_state, program.next_done]

    @functools.cache
    def interleaved_text() -> tuple[InterleavedKernelEmitter, str]:
        emitter = InterleavedKernelEmitter(program, layout, width)
        return emitter, emitter.text()

    @functools.cache
    def one_after_another() -> Kernel:
        together = 2 * width if critical_path(step) > _HIDDEN else width
        emitter = vector_kernel(program, layout, together, width)
        return _compiled(llvm, emitter, emitter.text())

    @functools.cache
    def interleaved() -> Kernel:
        return _compiled(llvm, *interleaved_text())

    possible = program.draft is None and not columns_summed(program.from_state) and not program.sorts
    recurrent = {x.op for x in reachable(step) if not x.invariant} & {"loop", "linear"}
    bound = 4 * CACHE if "loop" in recurrent else CACHE if recurrent else 0

    def kernel(rows: int) -> Kernel:
        if not possible:
            return one_after_another()
        small = rows <= FEW
        if not small and bound and rows <= LONG:
            small = 8 * width * interleaved_text()[0].context.buffers * rows <= bound
        return interleaved() if small else one_after_another()

    return kernel


def _compiled(llvm: ModuleType, emitter: KernelEmitter, text: str) -> Kernel:
    machine, _ = target_machine(llvm)

    def compiled() -> bytes:  # LLVM's other passes cost as much again and gain 2 to 5 % (measured)
        module = llvm.parse_assembly(text)
        inline(llvm, module, machine)
        module.verify()
        return machine.emit_object(module)

    name = hashlib.sha256(text.encode()).hexdigest()
    code = cache.kept(f"LLVM {llvm.llvm_version_info}\n{text}", compiled)
    engine = load(llvm, code)
    call = CALL(engine.get_function_address("fit"))
    program, context = emitter.program, emitter.context
    states, results = len(program.next_state), len(program.results)
    return Kernel(call, states, results, context.buffers, context.lanes, context.interleaved, engine, name)


def load(llvm: ModuleType, code: bytes) -> ExecutionEngine:
    """Load machine code into this process; return its owner."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine(llvm)[0])  # which takes it over
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine
