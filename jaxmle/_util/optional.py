"""Optional dependencies, imported at the moment they are needed."""

from importlib import import_module
from types import ModuleType


def optional(module: str, extra: str) -> ModuleType:
    """Imports an optional dependency, or says how to install it.

    Args:
      module: the name to import, e.g. ``"polars"`` or ``"matplotlib.pyplot"``.
      extra: the extra of jaxmle that brings it, e.g. ``"cli"``.

    Returns:
      The module.

    Raises:
      ImportError: with the install command, when the module is absent.

    >>> optional("math", "cli").sqrt(4.0)
    2.0
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != top:
            raise  # the package is there, something inside it is broken: its own message says more
        raise ImportError(
            f"this needs {top}, which is not installed; try: pip install {top}, "
            f"or in a checkout of jaxmle: pip install '.[{extra}]'"
        ) from error
