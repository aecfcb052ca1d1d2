import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    requirements = sum(extras, start=project["dependencies"])
    lines = (ROOT / "tests/constraints-lowest.txt").read_text().splitlines()

    pinned = {line.replace("==", ">=") for line in lines if re.match(r"\w", line)}

    assert pinned == set(requirements)
