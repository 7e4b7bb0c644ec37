"""The one way in which this package compiles."""

import functools
from collections.abc import Callable
from typing import Any

import jax

_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"XLA's CPU library fusions, off: in JAX 0.10 to 0.12 they can take two different logarithms inside a sum for one."


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """`jax.jit` without XLA's CPU library fusions, which give wrong sums.

    Args:
        function: to be compiled.
        **options: of `jax.jit`, such as `static_argnums`.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> x = np.linspace(0.1, 1.0, 12800, dtype=np.float32)
        >>> total = compiled(lambda x: jnp.sum(jnp.log(0.3 * x) + jnp.log(0.5 * x)))(x)
        >>> bool(abs(total / np.sum(np.log(0.3 * x) + np.log(0.5 * x)) - 1) < 1e-4)
        True
    """
    return jax.jit(function, compiler_options=_OPTIONS, **options)


def compiled_with(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`compiled` as a decorator with options."""
    return functools.partial(compiled, **options)
