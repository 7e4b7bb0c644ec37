"""Kernels on NVIDIA GPUs: a thread for each data set. PTX comes from LLVM, memory from JAX, launches go to the driver.

Nothing but the driver is needed, which is there wherever JAX computes on such a GPU; functions that are not written out
here also need CUDA's library of mathematics (libdevice), which comes with JAX's CUDA plugin.
"""

import ctypes
import functools
import importlib.util
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._native.codegen.elements import LIBM, LIBM_TWO
from jaxmle._native.codegen.kernel import thread_kernel
from jaxmle._native.ir.layout import Layout, Unsupported
from jaxmle._native.ir.program import FitProgram
from jaxmle._native.runtime.cpu import inline
from jaxmle._util import cache
from jaxmle._util.compile import compiled
from jaxmle._util.optional import optional

BLOCK = 64
"Threads of a block."

MIN_BATCH, MAX_BATCH = 1 << 16, 1 << 19
"Data sets of a launch, where there are so many: enough to fill a GPU, few enough to end soon."

Argument = ctypes.c_int64 | ctypes.c_void_p

TRIPLE = "nvptx64-nvidia-cuda"
PROCESSOR = "sm_80"
"PTX for it runs on this GPU and on every later one."


class Device(Protocol):
    """A GPU, as `jax.devices()` lists it."""

    @property
    def local_hardware_id(self) -> int | None: ...


class Kernel:
    """PTX, loaded on each device at its first launch.

    Attributes:
        results, buffers: numbers in a result, and buffers of rows.
    """

    def __init__(self, ptx: bytes, results: int, buffers: int) -> None:
        self.ptx, self.results, self.buffers = ptx, results, buffers
        self.loaded: dict[int, ctypes.c_void_p] = {}
        self.lock = threading.Lock()

    def function(self, device: Device | None) -> ctypes.c_void_p:
        """Return the driver's handle on a device, with the device's context current in this thread."""
        ordinal = (device.local_hardware_id if device is not None else None) or 0
        driver = _driver()
        driver.enter(ordinal)
        with self.lock:
            if ordinal not in self.loaded:
                self.loaded[ordinal] = driver.load(self.ptx)
        return self.loaded[ordinal]


class Chunk(NamedTuple):
    """Data sets on a device.

    Attributes:
        kernel: for them.
        device: where; None for the first.
        leaves: as they are, on the device; kept while a kernel reads them.
        pointers: of their columns, on the device.
        offset, rows: where each data set begins in leaves with rows, how many rows it has; on the device.
        longest: the most rows.
    """

    kernel: Kernel
    device: Device | None
    leaves: list[jax.Array]
    pointers: jax.Array
    offset: jax.Array
    rows: jax.Array
    longest: int

    def fit(self) -> tuple[np.ndarray, np.ndarray]:
        """Fit the data sets; return results f[k, size], and uint8[size], 0 where there are any."""
        kernel, size = self.kernel, self.rows.shape[0]
        with jax.enable_x64(True), jax.default_device(self.device):
            made, open_, scratch = _memory(size, kernel.results, kernel.buffers * self.longest)
        arguments = (
            ctypes.c_int64(0), ctypes.c_int64(size), *map(_pointer, (self.pointers, self.offset, self.rows)),
            _pointer(made), _pointer(open_), _pointer(scratch),
            ctypes.c_int64(self.longest),
        )  # fmt: skip
        launch(kernel, self.device, -(-size // BLOCK), arguments)
        return np.asarray(made), np.asarray(open_)


def chunk(
    kernel: Kernel,
    device: Device | None,
    tables: Sequence[tuple[np.ndarray | jax.Array, int, int]],
    offset: np.ndarray,
    count: np.ndarray,
) -> Chunk:
    """Move tables to the device, those that are elsewhere, and return the chunk that a kernel reads.

    Args:
        kernel: that will read them.
        device: where to.
        tables: those with rows first; numbers of a table, row after row, how many numbers to skip, and how many stand in
            a row.
        offset, count: where each data set begins there, and how many rows it has, int64[size].
    """
    with jax.enable_x64(True):
        held = [jax.device_put(x, device) for x, *_ in tables]
        held = [x if x.dtype == np.float64 else _float(x) for x in held]
        pointers = []
        for x, (_, skip, columns) in zip(held, tables, strict=True):
            start = x.block_until_ready().unsafe_buffer_pointer()
            pointers.extend(start + 8 * (skip + j) for j in range(columns))
        moved = jax.device_put((np.asarray([*pointers, 0], np.int64), offset, count), device)
        table, where, many = jax.block_until_ready(moved)
    return Chunk(kernel, device, held, table, where, many, int(count.max(initial=0)))


@compiled
def _float(x: jax.Array) -> jax.Array:
    return x.astype(np.float64)


def _memory(size: int, results: int, buffers: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Allocate results, flags of data sets without one, and buffers of rows, on the default device."""
    made = jnp.zeros((results, size)), jnp.ones(size, np.uint8), jnp.zeros((max(buffers, 1), size))
    return jax.block_until_ready(made)


def _pointer(x: jax.Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.unsafe_buffer_pointer())


def launch(kernel: Kernel, device: Device | None, blocks: int, arguments: Sequence[Argument]) -> None:
    """Run a kernel on a device, and wait for it."""
    _driver().run(kernel.function(device), blocks, BLOCK, arguments)


# --- PTX -------------------------------------------------------------------------------------------------


def compile_program(program: FitProgram, layout: Layout) -> Callable[[int], Kernel]:
    """Compile the kernel of a fit, the same for any number of rows."""
    if program.sorts:
        raise Unsupported("a sort in a thread of a GPU")
    emitter = thread_kernel(program, layout)
    kernel = Kernel(ptx(emitter.text()), len(program.results), emitter.context.buffers)
    return lambda rows: kernel


def ptx(text: str) -> bytes:
    """Compile the text of a kernel to PTX.

    Raises:
        Unsupported: where it calls a function of CUDA's library and that is not found.
    """
    llvm = optional("llvmlite.binding", "native")
    needed = [f for f in (*LIBM, *LIBM_TWO) if f"call double @{f}(" in text]
    for f in needed:
        t = "double %x, double %y" if f in LIBM_TWO else "double %x"
        d = t.replace(" %x", "").replace(" %y", "")
        text = text.replace(f"declare double @{f}({d})", f"declare double @__nv_{f}({d})")
        text = text.replace(f"call double @{f}(", f"call double @__nv_{f}(")
    library = _library() if needed else None
    if needed and library is None:
        raise Unsupported(f"{needed[0]}, as CUDA's libdevice.10.bc is not found")

    def compiled() -> bytes:
        _start(llvm)
        machine = llvm.Target.from_triple(TRIPLE).create_target_machine(cpu=PROCESSOR, opt=3)
        module = llvm.parse_assembly(text)
        module.triple, module.data_layout = TRIPLE, str(machine.target_data)
        if library is not None:
            other = llvm.parse_bitcode(library)
            other.triple, other.data_layout = module.triple, module.data_layout
            module.link_in(other)
            for f in module.functions:
                if not f.is_declaration and f.name != "fit":
                    f.linkage = "internal"  # so that unused ones are dropped
        inline(llvm, module, machine)
        module.verify()
        return machine.emit_assembly(module).encode() + b"\0"

    return cache.kept(f"LLVM {llvm.llvm_version_info} for {PROCESSOR}\n{text}", compiled)


@functools.cache
def _start(llvm: ModuleType) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@functools.cache
def _library() -> bytes | None:
    """Read CUDA's library of mathematics as LLVM bitcode; None where it is not found."""
    folders = [Path(os.environ[x]) for x in ("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT") if x in os.environ]
    found = importlib.util.find_spec("nvidia")
    for folder in found.submodule_search_locations or () if found else ():
        folders += [Path(folder, x) for x in ("cuda_nvcc", "cu13", "cu12", "cuda_nvvm")]
    folders += [Path("/usr/local/cuda"), Path("/opt/cuda")]
    for folder in folders:
        if (file := folder / "nvvm" / "libdevice" / "libdevice.10.bc").is_file():
            return file.read_bytes()
    return None


# --- the driver ------------------------------------------------------------------------------------------


class Driver:
    """CUDA's driver: the few of its functions that a launch takes."""

    def __init__(self) -> None:
        self.lib = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        self.contexts: dict[int, ctypes.c_void_p] = {}
        self._call("cuInit", 0)

    def _call(self, name: str, *args: object) -> None:
        code = getattr(self.lib, name)(*args)
        if code:
            text = ctypes.c_char_p()
            self.lib.cuGetErrorName(code, ctypes.byref(text))
            raise RuntimeError(f"CUDA: {name} failed: {(text.value or b'unknown').decode()}")

    def enter(self, ordinal: int) -> None:
        """Make JAX's context of a device current in this thread."""
        if ordinal not in self.contexts:
            context, device = ctypes.c_void_p(), ctypes.c_int()
            self._call("cuDeviceGet", ctypes.byref(device), ordinal)
            self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
            self.contexts[ordinal] = context
        self._call("cuCtxSetCurrent", self.contexts[ordinal])

    def load(self, ptx: bytes) -> ctypes.c_void_p:
        """Load PTX in the current context; return the handle of its function."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), ptx)
        self._call("cuModuleGetFunction", ctypes.byref(function), module, b"fit")
        return function

    def run(self, function: ctypes.c_void_p, blocks: int, threads: int, arguments: Sequence[Argument]) -> None:
        """Launch a function and wait for it, in a stream of its own."""
        stream = ctypes.c_void_p()
        self._call("cuStreamCreate", ctypes.byref(stream), 1)
        try:
            packed = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(x) for x in arguments))
            self._call("cuLaunchKernel", function, blocks, 1, 1, threads, 1, 1, 0, stream, packed, None)
            self._call("cuStreamSynchronize", stream)
        finally:
            self._call("cuStreamDestroy_v2", stream)


@functools.cache
def _driver() -> Driver:
    return Driver()


@functools.cache
def missing() -> str | None:
    """Say what keeps kernels from running on this computer's GPU; None where nothing does."""
    llvm = optional("llvmlite.binding", "native")
    _start(llvm)
    try:
        llvm.Target.from_triple(TRIPLE)
    except RuntimeError:
        return "this llvmlite was built without NVIDIA's PTX"
    try:
        _driver()
    except (OSError, RuntimeError) as error:
        return f"CUDA's driver cannot be used ({error})"
    return None
