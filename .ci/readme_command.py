"""Print the shell command that README.md shows below `<!-- command: NAME -->`."""

import pathlib
import re
import sys

README = pathlib.Path(__file__).parents[1] / "README.md"


def find(text: str, name: str) -> str:
    """Find the one ```sh block that directly follows the marker."""
    marker = f"<!-- command: {name} -->"
    if (count := text.count(marker)) != 1:
        sys.exit(f"{README.name}: expected the line {marker} once, found it {count} times")
    block = re.match(
        r"[ \t]*\n\s*?```sh[ \t]*\n(.*?)^```[ \t]*$",
        text.split(marker)[1],
        re.DOTALL | re.MULTILINE,
    )
    if block is None:
        sys.exit(f"{README.name}: no ```sh block directly below {marker}")
    command = block[1].strip()
    if not command:
        sys.exit(f"{README.name}: the ```sh block below {marker} is empty")
    return command


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} NAME")
    if not README.is_file():
        sys.exit(f"{README.name} is missing")
    print(find(README.read_text(encoding="utf-8"), sys.argv[1]))
