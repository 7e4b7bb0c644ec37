"""The one way in which this package compiles: right sums, a bounded number of programs, and a folder of them on request."""

import functools
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax
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

_PROGRAMS: list[Any] = []


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
    program: Any = jax.jit(function, compiler_options=_OPTIONS | _QUICK if quick else _OPTIONS, **options)
    loaded = _Loaded()
    _PROGRAMS.extend((program, loaded))
    static = options.get("static_argnums", ())
    static = (static,) if isinstance(static, int) else static

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        before = program._cache_size() + len(loaded)
        if cache.folder() is None or kwargs or len(jax.local_devices()) > 1:
            out = program(*args, **kwargs)
        else:
            out = loaded.call(program, args, static)
        if program._cache_size() + len(loaded) > before and programs() > _LIMIT:
            for each in _PROGRAMS:
                each.clear_cache()
        return out

    return call


class _Loaded(dict[Any, Any]):
    """Programs that came from the folder, or went there, by what they were asked for."""

    def call(self, program: Any, args: tuple[Any, ...], static: tuple[int, ...]) -> Any:
        fixed = tuple(args[i] for i in static)
        varying = tuple(x for i, x in enumerate(args) if i not in static)
        leaves, tree = jax.tree.flatten(varying)
        if any(isinstance(x, Tracer) for x in leaves):
            return program(*args)
        kinds = tuple((np.shape(x), str(getattr(x, "dtype", type(x))), getattr(x, "weak_type", False)) for x in leaves)
        key = (fixed, tree, kinds, jax.config.jax_enable_x64)  # pyright: ignore
        if key not in self:
            self[key] = cache.program(program.lower(*args))
        return self[key](*varying)

    def _cache_size(self) -> int:
        return len(self)

    def clear_cache(self) -> None:
        self.clear()


def compiled_with(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`compiled` as a decorator with options."""
    return functools.partial(compiled, **options)


def compiled_once(function: Callable[..., Any]) -> Any:
    """`compiled` for a function that is used and forgotten, such as a lambda of the user's."""
    return jax.jit(function, compiler_options=_OPTIONS)


def programs() -> int:
    """Count the compiled programs that this package holds."""
    return sum(each._cache_size() for each in _PROGRAMS)


def in_float64(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function compute in float64, whatever the global flag says, in whatever thread."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return call
