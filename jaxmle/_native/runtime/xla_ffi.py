"""A function of NumPy arrays inside a program of XLA's, on a CPU: a typed call of XLA's foreign function interface.

The handler is a function of Python's that `ctypes` gives an address. It reads the call frame, whose layout XLA keeps
stable (`xla/ffi/api/c_api.h`), and sees operands and results where they lie: nothing is copied and JAX is not called, so
it cannot wait for the pool of threads that it runs in (`jax.pure_callback` did, without end, on one core).
"""

import ctypes
import functools
import math
from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_void_p

import jax
import numpy as np
from jax.typing import ArrayLike

NAME = "jaxmle_call"

_EXECUTE, _METADATA, _INTERNAL = 3, 1, 13

_DTYPES = {1: np.bool_, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 6: np.uint8, 7: np.uint16, 8: np.uint32,
    9: np.uint64, 11: np.float32, 12: np.float64}  # fmt: skip
"XLA's numbers for types."

Function = Callable[[list[np.ndarray], list[np.ndarray]], object]
"Reads operands, and writes into results."
_FUNCTIONS: dict[str, Function] = {}
"What programs may call, by its key; for the life of the process, as programs live as long as their owners want."


def _structure(name: str, *fields: tuple[str, type]) -> type[Structure]:
    """Define a structure that begins, as all of them do, with its size and its extensions."""
    return type(name, (Structure,), {"_fields_": [("struct_size", c_size_t), ("extension", c_void_p), *fields]})


_Many = _structure("_Many", ("size", c_int64), ("types", c_void_p), ("each", POINTER(c_void_p)))
_Named = _structure(
    "_Named", ("size", c_int64), ("types", c_void_p), ("names", POINTER(c_void_p)), ("each", POINTER(c_void_p))
)
_Frame = _structure(
    "_Frame", ("api", c_void_p), ("context", c_void_p), ("stage", c_int), ("operands", _Many), ("results", _Many),
    ("attributes", _Named),
)  # fmt: skip
_Buffer = _structure("_Buffer", ("dtype", c_int), ("data", c_void_p), ("rank", c_int64), ("dims", POINTER(c_int64)))
_Version = _structure("_Version", ("major", c_int), ("minor", c_int))
_Api = _structure("_Api", ("version", _Version), ("internal", c_void_p), ("create_error", c_void_p))
_Error = _structure("_Error", ("message", c_char_p), ("code", c_int))


class _Span(Structure):
    _fields_ = (("at", c_void_p), ("length", c_size_t))


class _Metadata(Structure):
    _fields_ = (("struct_size", c_size_t), ("version", _Version))


class _Extension(Structure):
    _fields_ = (("struct_size", c_size_t), ("type", c_int), ("next", c_void_p), ("metadata", POINTER(_Metadata)))


def call(
    key: str, function: Function, results: Sequence[jax.ShapeDtypeStruct], *operands: ArrayLike
) -> list[jax.Array]:
    """Call function(operands, results) inside a traced program: it writes into the arrays of `results`.

    Args:
        key: says what the function does, in any process; its first owner keeps it.
        function: of two lists of NumPy arrays, those of operands not to be written to. It must not call JAX.
        results: their shapes.
    """
    _FUNCTIONS.setdefault(key, function)
    _registered()
    return list(jax.ffi.ffi_call(NAME, list(results))(*operands, key=key))


@functools.lru_cache(maxsize=1)
def _registered() -> None:
    jax.ffi.register_ffi_target(NAME, jax.ffi.pycapsule(_HANDLER), platform="cpu")


def _handle(at: int) -> int | None:
    frame = _Frame.from_address(at)
    if frame.extension and (extension := _Extension.from_address(frame.extension)).type == _METADATA:
        version = _Api.from_address(frame.api).version  # the caller's own: all versions have what is read here
        extension.metadata.contents.version.major = version.major
        extension.metadata.contents.version.minor = version.minor
        return None
    if frame.stage != _EXECUTE:
        return None
    try:
        span = _Span.from_address(frame.attributes.each[0])
        key = ctypes.string_at(span.at, span.length).decode()
        if key not in _FUNCTIONS:
            raise RuntimeError(
                "this program was compiled in another process, and what it calls there is not here; trace it again "
                "with jaxmle.maximize in this process"
            )
        _FUNCTIONS[key](_arrays(frame.operands), _arrays(frame.results))
    except BaseException as error:
        create = ctypes.CFUNCTYPE(c_void_p, c_void_p)(_Api.from_address(frame.api).create_error)
        said = _Error(ctypes.sizeof(_Error), None, f"jaxmle: {error!r}".encode(), _INTERNAL)
        return create(ctypes.addressof(said))
    return None


def _arrays(many: Structure) -> list[np.ndarray]:
    return [_array(_Buffer.from_address(many.each[i])) for i in range(many.size)]


def _array(buffer: Structure) -> np.ndarray:
    """View a buffer as an array, without a copy."""
    shape, dtype = tuple(buffer.dims[: buffer.rank]), np.dtype(_DTYPES[buffer.dtype])
    if 0 in shape:
        return np.empty(shape, dtype)
    memory = (ctypes.c_char * (math.prod(shape) * dtype.itemsize)).from_address(buffer.data)
    return np.frombuffer(memoryview(memory), dtype).reshape(shape)


_HANDLER = ctypes.CFUNCTYPE(c_void_p, c_void_p)(_handle)
