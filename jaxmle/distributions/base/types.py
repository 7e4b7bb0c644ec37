"""Names of the types that families take and give."""

from collections.abc import Mapping
from typing import Any

from jax import Array

Params = Mapping[str, Any]
"Parameters by name: numbers, or arrays that broadcast against x; vectors and matrices for families of vectors."
Rows = Mapping[str, Array]
"Data of several columns by name, one row for each observation."
Shape = tuple[int, ...]
