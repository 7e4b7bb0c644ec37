"""Descriptions of models in words: what a file keeps of a model, and the model made from it."""

from collections.abc import Mapping

from jaxmle.distributions import by_name, names
from jaxmle.model.model import Model
from jaxmle.models.censoring import censored
from jaxmle.models.independent import iid


def recipe_of(model: Model) -> dict[str, str] | None:
    """Describe a model's response by the arguments of the function that makes it; None where there is no such function.

    >>> from jaxmle import models
    >>> recipe_of(models.pinned("weibull", shape=1.0))
    {'distribution': 'weibull'}
    """
    if model.response is None:
        return None
    plain = {"distribution": model.response.name}
    for recipe in (plain, plain | {"kinds": "all"}, plain | {"kinds": "right"}):
        made = made_by(recipe)
        if made is not None and made.response == model.response:
            return recipe
    return None


def made_by(recipe: Mapping[str, str] | None) -> Model | None:
    """Make the model that a recipe describes; None where there is no recipe, or a distribution of an unknown name."""
    if recipe is None or recipe["distribution"] not in names():
        return None
    distribution = by_name(recipe["distribution"])
    if "kinds" not in recipe:
        return iid(distribution)
    return None if distribution.columns else censored(distribution, recipe["kinds"])
