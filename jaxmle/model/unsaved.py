"""A stand-in for functions of a user's model, which no file holds."""

from typing import NoReturn, TypeGuard

from jaxmle._util.records import record


@record
class NotSaved:
    """Stand for a function of a user's model, which no file holds; calling it says how to give it again."""

    name: str

    def __call__(self, *_: object) -> NoReturn:
        raise RuntimeError(
            f"this needs the log-likelihood of {self.name}, and a saved fit holds numbers, not functions; load it with "
            "jaxmle.load(path, model=...) to give it again"
        )


def is_unsaved(function: object) -> TypeGuard[NotSaved]:
    """Tell whether a function of a model stayed behind when its fit was saved."""
    return isinstance(function, NotSaved)
