"""Descriptions of models in words: what a file keeps of a model, and the model made from it."""

from collections.abc import Mapping
from typing import Any

from jaxmle.distributions import by_name, names
from jaxmle.model.model import Model
from jaxmle.models.censoring import censored
from jaxmle.models.censoring_schemes import scheme_of
from jaxmle.models.independent import iid


def recipe_of(model: Model) -> dict[str, Any] | None:
    """Describe a model's response by the arguments of the function that makes it; None where there is no such function.

    >>> from jaxmle import models
    >>> recipe_of(models.pinned("weibull", shape=1.0))
    {'distribution': 'weibull'}
    """
    if model.response is None:
        return None
    recipe = {"distribution": model.response.name, **model.response.observation.recipe()}
    made = made_by(recipe)
    return recipe if made is not None and made.response == model.response else None


def made_by(recipe: Mapping[str, Any] | None) -> Model | None:
    """Make the model that a recipe describes; None where there is no recipe, or a distribution of an unknown name."""
    if recipe is None or recipe["distribution"] not in names():
        return None
    distribution = by_name(recipe["distribution"])
    if "kinds" not in recipe:
        return iid(distribution)
    if distribution.columns:
        return None
    return censored(distribution, recipe["kinds"], scheme_of(recipe.get("scheme")))
