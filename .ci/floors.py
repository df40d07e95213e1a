"""Print pip constraints that pin what pyproject.toml requires at run time to its lower bounds."""

from __future__ import annotations

import re
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10: pip carries the same parser
    from pip._vendor import tomli as tomllib

LOWER_BOUND = re.compile(r"([\w.-]+)>=([\w.]+)")

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]
required = sum(project["optional-dependencies"].values(), project["dependencies"])
for requirement in sorted(required):
    if requirement.startswith(project["name"]):
        continue  # an extra that is made of our other extras
    bound = LOWER_BOUND.match(requirement)
    assert bound, f"{requirement} has no lower bound, so its oldest version cannot be tested"
    print(f"{bound[1]}=={bound[2]}")
