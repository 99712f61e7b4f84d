"""Recipes: which samples of which sources go into a training set, and the build that writes it.

``plan`` says what a recipe would build and fetches nothing; ``build`` writes the files and a manifest.
"""

from infimed_plugins.recipes.build import build
from infimed_plugins.recipes.manifest import Manifest, PartCount, read_manifest
from infimed_plugins.recipes.plan import Plan, PlanRow, plan
from infimed_plugins.recipes.recipe import Part, Recipe, Step
from infimed_plugins.recipes.recipe_file import load_recipe, shipped_recipes

__all__ = [
    "Manifest",
    "Part",
    "PartCount",
    "Plan",
    "PlanRow",
    "Recipe",
    "Step",
    "build",
    "load_recipe",
    "plan",
    "read_manifest",
    "shipped_recipes",
]
