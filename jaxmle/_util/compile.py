"""The one way in which this package compiles: right sums, a bounded number of programs, and a folder of them on request."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, Protocol

import jax
import jax.monitoring
import numpy as np
from jax.core import Tracer

from jaxmle._util import cache

_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"XLA's CPU library fusions, off: in JAX 0.10.2 to 0.12 they can take two different logarithms inside a sum for one."

_QUICK: dict[str, Any] = {"xla_backend_optimization_level": 0}
"LLVM's passes, off: compiles in a half to a quarter of the time, and runs four to seven times as long (measured)."
if version("jaxlib").startswith("0.10."):
    _QUICK["xla_cpu_use_fusion_emitters"] = False  # later ones have no other way

_LIMIT = 100
"""Programs kept at once. Each holds up to a few hundred of the 65 530 memory maps that Linux grants a process; beyond
them XLA crashes, which a loop of `fit` over data of many lengths would reach after 220."""


class _Program(Protocol):
    """A function and its compiled programs."""

    def _cache_size(self) -> int: ...

    def clear_cache(self) -> None: ...


_PROGRAMS: list[_Program] = []


def compiled(function: Callable[..., Any], quick: bool = False, **options: Any) -> Any:
    """`jax.jit` without XLA's CPU library fusions, which give wrong sums, and with a bounded cache.

    For functions of a module: they are remembered for ever, their programs are not.

    Args:
        function: to be compiled.
        quick: for what runs seldom and briefly: the compilation is what it costs.
        **options: of `jax.jit`, such as `static_argnums`.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> x = np.linspace(0.1, 1.0, 12800, dtype=np.float32)
        >>> total = compiled(lambda x: jnp.sum(jnp.log(0.3 * x) + jnp.log(0.5 * x)))(x)
        >>> bool(abs(total / np.sum(np.log(0.3 * x) + np.log(0.5 * x)) - 1) < 1e-4)
        True
    """
    chosen = _OPTIONS | _QUICK if quick else _OPTIONS
    program: Any = jax.jit(function, compiler_options=chosen, **options)
    static = options.get("static_argnums", ())
    loaded = _Loaded(function, chosen, options, (static,) if isinstance(static, int) else static)
    _PROGRAMS.extend((program, loaded))

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        before = program._cache_size() + len(loaded)
        out = loaded.call(*args) if not kwargs and cache.folder() is not None else _ABSENT
        out = program(*args, **kwargs) if out is _ABSENT else out
        if program._cache_size() + len(loaded) > before and programs() > _LIMIT:
            for each in _PROGRAMS:
                each.clear_cache()
        return out

    return call


_ABSENT = object()

_SETTINGS = ("enable_x64", "default_matmul_precision", "default_prng_impl", "numpy_dtype_promotion")
"Of JAX: those that a program depends on, and that may differ from one thread or block to another."


class _Loaded(dict[Any, cache.Program | None]):
    """Programs that came from the folder, or went there, by what they were asked for; None for those that cannot."""

    def __init__(
        self, function: Callable[..., Any], chosen: dict[str, Any], options: dict[str, Any], static: tuple[int, ...]
    ) -> None:
        super().__init__()
        # Unused arguments are kept: JAX would drop them from the module's text, and with them which ones are used.
        self.program: Any = jax.jit(function, compiler_options=chosen, keep_unused=True, **options)
        self.options, self.static = f"{chosen} {options}", static

    def call(self, *args: Any) -> Any:
        """Call the program for these arguments; `_ABSENT` where only JAX itself can."""
        fixed = tuple(args[i] for i in self.static if i < len(args))
        leaves, tree = jax.tree.flatten([x for i, x in enumerate(args) if i not in self.static])
        if not all(_plain(x) for x in leaves) or _hindered():
            return _ABSENT
        kinds = tuple((np.shape(x), str(getattr(x, "dtype", type(x))), getattr(x, "weak_type", False)) for x in leaves)
        key = (fixed, tree, kinds, *(getattr(jax.config, f"jax_{name}") for name in _SETTINGS))
        if key not in self:
            self[key] = cache.program(self.program.lower(*args), self.options)
        found = self[key]
        return _ABSENT if found is None else found([jax.numpy.asarray(x) for x in leaves])

    def _cache_size(self) -> int:
        return len(self)

    def clear_cache(self) -> None:
        self.clear()
        self.program.clear_cache()


def _plain(x: object) -> bool:
    """Answer whether an argument is data, and not on a device that JAX would not choose by itself."""
    if isinstance(x, Tracer):
        return False
    return not isinstance(x, jax.Array) or x.devices() == {jax.local_devices()[0]}


def _hindered() -> bool:
    """Answer whether JAX must run programs itself: on several devices, or watched by the user."""
    config: Any = jax.config
    watched = config.jax_disable_jit or config.jax_debug_nans or config.jax_debug_infs
    devices = jax.local_devices()
    return bool(watched) or len(devices) > 1 or config.jax_default_device not in (None, devices[0])


def compiled_with(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`compiled` as a decorator with options."""
    return functools.partial(compiled, **options)


def compiled_once(function: Callable[..., Any]) -> Any:
    """`compiled` for a function that is used and forgotten, such as a lambda of the user's."""
    return jax.jit(function, compiler_options=_OPTIONS)


def programs() -> int:
    """Count the compiled programs that this package holds."""
    return sum(each._cache_size() for each in _PROGRAMS)


@contextlib.contextmanager
def float64() -> Iterator[None]:
    """Compute in float64, whatever the global flag says, in this thread.

    Arrays of NumPy come in and go out, so a transfer guard of the user's, which is about code that must not move data, is
    lifted meanwhile.
    """
    _ours.depth = getattr(_ours, "depth", 0) + 1
    try:
        with jax.enable_x64(True), jax.transfer_guard("allow"):
            yield
    finally:
        _ours.depth -= 1


_ours = threading.local()
"How deep this thread is in calls of this package."

_LOWERED = "/jax/core/compile/jaxpr_to_mlir_module_duration"
"What JAX reports before XLA compiles."


def _refuse_to_compile(event: str, *_: Any, **__: Any) -> None:
    if event == _LOWERED and getattr(_ours, "depth", 0):
        raise RuntimeError(
            "this process was forked after JAX had begun to compute, and XLA's threads are not here: a new program would "
            "never end. Start processes by multiprocessing.get_context('spawn') (or 'forkserver'), or fit a model like this "
            "one before forking"
        )


def _after_fork() -> None:
    """Let a new program raise in a forked child, where it would hang; those that were compiled before run."""
    if programs():
        jax.monitoring.register_event_duration_secs_listener(_refuse_to_compile)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def in_float64(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function compute in float64, whatever the global flag says, in whatever thread."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with float64():
            return function(*args, **kwargs)

    return call
