"""Types of arrays with their shapes, written as jaxtyping does: `Float[Array, "n p"]`, `Int[np.ndarray, " B"]`.

The letters are B data sets, n observations, p coordinates, q natural values, m points, d dimensions; `""` is a scalar. They
are for readers and type checkers, for whom the shape is a comment: nothing is checked at run time, and nothing is installed.
"""

from collections.abc import Sequence
from typing import Annotated as Bool
from typing import Annotated as Float
from typing import Annotated as Int
from typing import Annotated as Shaped
from typing import Any

from jax import Array
from jax.typing import ArrayLike

__all__ = ["Array", "ArrayLike", "Bool", "Data", "Float", "Int", "Json", "Key", "Params", "PyTree", "Shaped", "Weights"]

PyTree = Any
"Nested containers of arrays, of any structure."

Json = Any
"What JSON holds: dicts, lists, text, numbers, booleans and None."

Key = Array | int | None
"A key of `jax.random`, a seed, or None for the documented default."

Params = PyTree
"A pytree of natural parameters with the structure of a model's space, or of its coordinates."

Weights = ArrayLike | Sequence[float] | None
"Frequencies of the rows, array-like; None for one each."

Data = PyTree
"A pytree of arrays with one row for each observation, or of `constant`."
