"""Every code block of README.md and docs/ is run, page by page, from top to bottom.

A page is a project of its own: its blocks are run in an empty directory.

=======================  ==================================================================
block                    is
=======================  ==================================================================
starts with              written to that file, in the place of what was there before
``# file: NAME``
``python``               run as a script
``pycon``                typed into ``python -m asyncio``, which must answer the same
``console``              commands after ``$``, run one by one, and what they print
``text``                 what the block above it printed
=======================  ==================================================================

In what is printed, ``...`` stands for anything within a line and, alone, for any lines. Test
files that no ``console`` block has run are run together at the end of the page, with pytest-asyncio
in auto mode, and must pass.

A comment directly above a block says more about it:

=============================  ============================================================
``<!-- not run: REASON -->``   it is not run
``<!-- needs: MODULE -->``     it is not run where that module is not installed
``<!-- command: NAME -->``     it is run by ``.ci/run`` on a fresh machine; here it is parsed
``<!-- copy: PATH -->``        no block follows: that file of docs/ is copied as it is
=============================  ============================================================
"""

import ast
import asyncio
import difflib
import doctest
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

import falcon_pachinko
import falcon_pachinko.errors
import pytest_pachinko
import pytest_pachinko.errors
from pytest_pachinko import plugin

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
REFERENCE = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("reference/*.md"))

BLOCK = re.compile(
    r"^(?:<!-- (?P<key>[\w ]+): (?P<value>[^\n]*) -->\n)?"
    r"(?:```(?P<language>\w*)\n(?P<body>.*?)^```$|(?<=-->\n))",
    re.DOTALL | re.MULTILINE,
)

for_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@dataclass
class Project:
    """The directory in which the blocks of one page are run."""

    directory: Path
    pending: set[str] = field(default_factory=set)  # test files that were not run yet
    printed: str | None = None  # by the block before
    missing: set[str] = field(default_factory=set)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        bin_directory = str(Path(sys.executable).parent)
        # What is printed is what a reader sees, who is no CI.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "PY_COLORS", "FORCE_COLOR", "GITHUB_", "CI"))
        } | {
            "COLUMNS": "80",
            "NO_COLOR": "1",
            "PATH": os.pathsep.join([bin_directory, os.environ["PATH"]]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            command,
            check=False,
            cwd=self.directory,
            encoding="utf-8",
            env=environment,
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            timeout=60,
        )

    def write(self, name: str, body: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
        if path.name.startswith("test_"):
            self.pending.add(name)

    def python(self, body: str) -> None:
        done = self.run(sys.executable, "-c", body)
        assert done.returncode == 0, done.stdout
        self.printed = done.stdout

    def console(self, body: str) -> None:
        for number, part in enumerate(re.split(r"^\$ ", body, flags=re.MULTILINE)):
            if not number:
                assert not part, "a console block starts with a command: $ ..."
                continue
            command, _, expected = part.partition("\n")
            done = self.run("bash", "-c", command)
            if expected.strip():
                check_output(expected, done.stdout)
            else:
                assert done.returncode == 0, done.stdout
            if "pytest" in command.split():
                self.pending -= {name for name in self.pending if name in command} or self.pending

    def pycon(self, body: str) -> None:
        """Do what ``python -m asyncio`` does: await at the top level, in one event loop."""
        sys.path.insert(0, str(self.directory))
        try:
            # In a thread, because pytest-asyncio keeps an event loop for this one.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(run_session, body).result()
        finally:
            sys.path.remove(str(self.directory))
            for path in self.directory.glob("*.py"):
                sys.modules.pop(path.stem, None)

    def finish(self) -> None:
        if self.pending:
            done = self.run("pytest", "-q", "-o", "asyncio_mode=auto", *sorted(self.pending))
            assert done.returncode == 0, done.stdout


def run_session(body: str) -> None:
    names: dict[str, Any] = {}
    printed: list[str] = []
    names["print"] = lambda *values: printed.append(" ".join(map(str, values)))
    before = sys.displayhook
    sys.displayhook = lambda value: value is None or printed.append(repr(value))
    try:
        with asyncio.Runner() as runner:
            for example in doctest.DocTestParser().get_examples(body):
                printed.clear()
                flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                code = compile(example.source, "<pycon>", "single", flags, dont_inherit=True)
                awaited = eval(code, names)  # noqa: S307 - it is our own page
                if inspect.iscoroutine(awaited):
                    runner.run(awaited)
                check_output(example.want, "\n".join(printed))
    finally:
        sys.displayhook = before


def check_output(expected: str, printed: str) -> None:
    """Compare line by line; ``...`` alone in a line stands for any lines."""
    wanted = [line.rstrip() for line in expected.strip("\n").splitlines()]
    got = [line.rstrip() for line in printed.strip("\n").splitlines()]
    if not _matches(wanted, got):
        difference = "\n".join(difflib.unified_diff(wanted, got, "the page", "the run", n=99))
        pytest.fail(difference, pytrace=False)


def _matches(wanted: list[str], got: list[str]) -> bool:
    if not wanted:
        return not got
    if wanted[0].strip() == "...":
        return any(_matches(wanted[1:], got[skip:]) for skip in range(len(got) + 1))
    pattern = re.sub(r"([\[*?])", r"[\1]", wanted[0]).replace("...", "*")
    return bool(got) and fnmatchcase(got[0], pattern) and _matches(wanted[1:], got[1:])


def run_block(project: Project, match: re.Match[str]) -> None:
    key, value, language, body = match.group("key", "value", "language", "body")
    before, project.printed = project.printed, None
    if key == "copy":
        shutil.copy(DOCS / value, project.directory)
    elif key == "not run":
        assert len(value.split()) > 1, "say why it is not run"
    elif key == "needs" and importlib.util.find_spec(value) is None:
        project.missing.add(value)
    elif key == "command":
        subprocess.run(["bash", "-n", "-c", body], check=True)  # noqa: S607
    elif file := re.match(r"# file: (\S+)\n", body):
        project.write(file[1], body[file.end() :])
    elif language in ("python", "console", "pycon"):
        getattr(project, language)(body)
    elif language == "text" and before is not None:
        check_output(body, before)
    else:
        pytest.fail(f"Nobody knows how to check this {language or 'nameless'} block:\n{body}")


@for_each_page
def test_every_block_of_a_page_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    text = page.read_text(encoding="utf-8")

    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        try:
            if match["key"] or match["language"] is not None:
                run_block(project, match)
        except BaseException as error:
            error.add_note(f"{page.relative_to(ROOT)}:{line}")
            raise
    project.finish()

    if project.missing:
        pytest.skip(f"passed, but for the blocks that need {', '.join(sorted(project.missing))}")


@for_each_page
def test_every_block_of_a_page_is_found(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    found = sum(match["language"] is not None for match in BLOCK.finditer(text))

    assert text.count("```") == 2 * found


@for_each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )

    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [_anchor(heading) for heading in headings], target


def _anchor(heading: str) -> str:
    """Return the anchor that a forge gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_reached_from_the_index() -> None:
    reached: set[Path] = set()
    open_pages = [DOCS / "README.md"]
    while open_pages:
        page = open_pages.pop()
        reached.add(page)
        for target in re.findall(r"\]\(([^)\s#]+\.md)", page.read_text(encoding="utf-8")):
            linked = (page.parent / target).resolve()
            if linked not in reached:
                open_pages.append(linked)

    assert set(DOCS.rglob("*.md")) <= reached


@pytest.mark.parametrize(
    "name",
    [
        f"{package.__name__}.{name}"
        for package in (falcon_pachinko, pytest_pachinko)
        for name in package.__all__
    ],
)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    """It has a heading of its own, or it stands in a table as code."""
    package, _, short = name.partition(".")
    page = (DOCS / "reference" / f"{package}.md").read_text(encoding="utf-8")

    assert re.search(rf"(^#+ .*|^\| )`{short}\b", page, re.MULTILINE)


def test_every_public_method_is_in_the_reference() -> None:
    missing = []
    for package in (falcon_pachinko, pytest_pachinko):
        for class_name in package.__all__:
            cls = getattr(package, class_name)
            if not isinstance(cls, type):
                continue
            missing += [
                f"{class_name}.{name}"
                for name, member in vars(cls).items()
                if not name.startswith("_")
                and (inspect.isfunction(member) or isinstance(member, property | classmethod))
                and not re.search(rf"`[^`\n]*\b{name}\b", REFERENCE)
            ]

    assert not missing


def test_every_fixture_and_option_is_in_the_reference() -> None:
    source = inspect.getsource(plugin)
    options = re.findall(r'"(--pachinko-[\w-]+)"', source)
    ini = re.findall(r'addini\(\s*"(pachinko_\w+)"', source)
    fixtures = re.findall(r"@pytest\.fixture\n(?:async )?def (websocket_\w+)", source)

    assert options
    assert ini
    assert fixtures
    assert [name for name in options + ini + fixtures if f"`{name}" not in REFERENCE] == []


@pytest.mark.parametrize("module", [falcon_pachinko.errors, pytest_pachinko.errors])
def test_the_reference_draws_the_tree_of_the_errors(module: Any) -> None:
    tree = re.search(r"::\n\n(.*?)\n\n", inspect.getdoc(module) or "", re.DOTALL)

    assert tree is not None
    assert f"```\n{textwrap.dedent(tree[1])}\n```" in REFERENCE
