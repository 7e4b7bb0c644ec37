"""Kernels for GPUs, a thread for each data set, carried out by this CPU: the same code one thread after another."""

import contextlib

import jax

from jaxmle import _native
from jaxmle._engine import backends
from jaxmle._native.codegen import entry
from jaxmle._native.runtime import cpu, cuda

THREAD_LOOP = """
define void @fit(i64 %begin, i64 %end, ptr %leaves, ptr %offset, ptr %count, ptr %out, ptr %left, ptr %scratch,
    i64 %room, i64 %distance) {
entry:
  %threads = sub i64 %end, %begin
  br label %next
next:
  %b = phi i64 [ %begin, %entry ], [ %b1, %work ]
  %b1 = add i64 %b, 1
  %inside = icmp slt i64 %b, %end
  br i1 %inside, label %work, label %done
work:
  %thread = sub i64 %b, %begin
  call void @one(i64 %b, i64 %b1, i64 %thread, i64 %threads, ptr %leaves, ptr %offset, ptr %count, ptr %out, ptr %left,
    ptr %scratch, i64 %room)
  br label %next
done:
  ret void
}"""


def _machine_code(text):
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine, _ = cpu.target_machine(llvm)
    return cpu.load(llvm, machine.emit_object(llvm.parse_assembly(text.replace(entry.GRID, THREAD_LOOP))))


def _launch(kernel, device, blocks, arguments):
    cpu.CALL(kernel.ptx.get_function_address("fit"))(*(x.value for x in arguments), 0)


@contextlib.contextmanager
def on_threads(monkeypatch):
    """What would run on the CPU's vectors runs as threads of a GPU would."""
    build = _native.build
    with monkeypatch.context() as m:
        m.setattr(cuda, "ptx", _machine_code)
        m.setattr(cuda, "launch", _launch)
        m.setattr(
            _native,
            "build",
            lambda leaves, tree, policy, platform, *more: build(leaves, tree, policy, "gpu", *more),
        )
        backends._built.cache_clear()
        yield jax.devices("cpu")[0]
    backends._built.cache_clear()
