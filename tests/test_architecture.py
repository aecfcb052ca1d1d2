"""Which way the imports point, read from the sources without importing them.

An import below `if TYPE_CHECKING:` names a shape and is no dependency, so it is not looked at.
An import inside a function is one: it is lazy, not absent.
"""

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

# A module imports only what stands above it. Packages stand below their modules, because they
# gather the names of these; the toolkit's own top stands last, because it knows everybody.
ORDER = [
    "falcon_pachinko.errors",
    "falcon_pachinko.protocols",
    "falcon_pachinko.hooks",
    "falcon_pachinko.security",
    "falcon_pachinko.schema",
    "falcon_pachinko.dispatch",
    "falcon_pachinko.subprotocols",
    "falcon_pachinko.compression",
    "falcon_pachinko.inbox",
    "falcon_pachinko.resource",
    "falcon_pachinko.conversation",
    "falcon_pachinko.templates",
    "falcon_pachinko.router",
    "falcon_pachinko.manager.targets",
    "falcon_pachinko.manager.registry",
    "falcon_pachinko.manager.sending",
    "falcon_pachinko.manager.outbox",
    "falcon_pachinko.manager.admission",
    "falcon_pachinko.manager.connection",
    "falcon_pachinko.manager.frames",
    "falcon_pachinko.manager.hearing",
    "falcon_pachinko.manager.telling",
    "falcon_pachinko.manager.backend",
    "falcon_pachinko.manager.memory",
    "falcon_pachinko.manager.redis",
    "falcon_pachinko.manager.manager",
    "falcon_pachinko.manager",
    "falcon_pachinko.workers",
    "falcon_pachinko.asyncapi.limits",
    "falcon_pachinko.asyncapi.patterns",
    "falcon_pachinko.asyncapi.scalars",
    "falcon_pachinko.asyncapi.texts",
    "falcon_pachinko.asyncapi.values",
    "falcon_pachinko.asyncapi.schemas",
    "falcon_pachinko.asyncapi.examples",
    "falcon_pachinko.asyncapi.model",
    "falcon_pachinko.asyncapi.parameters",
    "falcon_pachinko.asyncapi.writing",
    "falcon_pachinko.asyncapi.core_schema",
    "falcon_pachinko.asyncapi.files",
    "falcon_pachinko.asyncapi.references",
    "falcon_pachinko.asyncapi.keywords",
    "falcon_pachinko.asyncapi.narrowing",
    "falcon_pachinko.asyncapi.converters",
    "falcon_pachinko.asyncapi.comparing",
    "falcon_pachinko.asyncapi",
    "falcon_pachinko.asyncapi.__main__",
    "falcon_pachinko",
    "pytest_pachinko.errors",
    "pytest_pachinko.headers",
    "pytest_pachinko.application",
    "pytest_pachinko.trace.event",
    "pytest_pachinko.trace.redact",
    "pytest_pachinko.trace.values",
    "pytest_pachinko.trace.match",
    "pytest_pachinko.trace.record",
    "pytest_pachinko.trace.naming",
    "pytest_pachinko.trace.diff",
    "pytest_pachinko.trace.explain",
    "pytest_pachinko.trace.broadcast",
    "pytest_pachinko.trace.export",
    "pytest_pachinko.trace",
    "pytest_pachinko.artefacts",
    "pytest_pachinko.futures",
    "pytest_pachinko.peer",
    "pytest_pachinko.wire",
    "pytest_pachinko.endings",
    "pytest_pachinko.stacks",
    "pytest_pachinko.tasks",
    "pytest_pachinko.clock.waiting",
    "pytest_pachinko.clock.report",
    "pytest_pachinko.clock.links",
    "pytest_pachinko.clock.core",
    "pytest_pachinko.clock.adopt",
    "pytest_pachinko.clock.control",
    "pytest_pachinko.clock",
    "pytest_pachinko.quiet",
    "pytest_pachinko.faults",
    "pytest_pachinko.backends",
    "pytest_pachinko.scope",
    "pytest_pachinko.surface",
    "pytest_pachinko.resources",
    "pytest_pachinko.parity",
    "pytest_pachinko.baseline",
    "pytest_pachinko.session",
    "pytest_pachinko.broadcast",
    "pytest_pachinko.leaving",
    "pytest_pachinko.lifespan",
    "pytest_pachinko.running",
    "pytest_pachinko.connecting",
    "pytest_pachinko.memory",
    "pytest_pachinko.simulator",
    "pytest_pachinko.harness",
    "pytest_pachinko.network",
    "pytest_pachinko.client",
    "pytest_pachinko.serving",
    "pytest_pachinko.live",
    "pytest_pachinko.groups",
    "pytest_pachinko.served",
    "pytest_pachinko.processes",
    "pytest_pachinko.cluster",
    "pytest_pachinko.observing",
    "pytest_pachinko.stream",
    "pytest_pachinko.routes",
    "pytest_pachinko.places",
    "pytest_pachinko.bounds",
    "pytest_pachinko.coverage",
    "pytest_pachinko.coverage_report",
    "pytest_pachinko.strategies.guard",
    "pytest_pachinko.strategies.registry",
    "pytest_pachinko.strategies.schemas",
    "pytest_pachinko.strategies.text",
    "pytest_pachinko.strategies.scalars",
    "pytest_pachinko.strategies.recursion",
    "pytest_pachinko.strategies.objects",
    "pytest_pachinko.strategies.types",
    "pytest_pachinko.strategies.messages",
    "pytest_pachinko.strategies.values",
    "pytest_pachinko.strategies.mutations",
    "pytest_pachinko.strategies.oracle",
    "pytest_pachinko.strategies.boundaries",
    "pytest_pachinko.strategies.invalid",
    "pytest_pachinko.strategies.streams",
    "pytest_pachinko.strategies",
    "pytest_pachinko.fuzz.watchdog",
    "pytest_pachinko.fuzz.played",
    "pytest_pachinko.fuzz.checks",
    "pytest_pachinko.fuzz.literal",
    "pytest_pachinko.fuzz.reproducer",
    "pytest_pachinko.fuzz.play",
    "pytest_pachinko.fuzz",
    "pytest_pachinko.fuzz.corpus",
    "pytest_pachinko.fuzz.search",
    "pytest_pachinko.fuzz.phases",
    "pytest_pachinko.stateful",
    "pytest_pachinko.asyncapi.problem",
    "pytest_pachinko.asyncapi.reading",
    "pytest_pachinko.asyncapi.grammar",
    "pytest_pachinko.asyncapi.references",
    "pytest_pachinko.asyncapi.misfits",
    "pytest_pachinko.asyncapi.official",
    "pytest_pachinko.asyncapi.schemas",
    "pytest_pachinko.asyncapi.model",
    "pytest_pachinko.asyncapi.rules",
    "pytest_pachinko.asyncapi.loading",
    "pytest_pachinko.asyncapi",
    "pytest_pachinko.contract",
    "pytest_pachinko.contract_report",
    "pytest_pachinko",
    "pytest_pachinko.fixtures_asyncio",
    "pytest_pachinko.items",
    "pytest_pachinko.fuzz.collect",
    "pytest_pachinko.plugin_baselines",
    "pytest_pachinko.plugin_artefacts",
    "pytest_pachinko.plugin_contract",
    "pytest_pachinko.plugin_coverage",
    "pytest_pachinko.plugin",
]

# What the runtime imports besides the standard library; the extras where they are needed.
RUNTIME = {"falcon", "falcon_pachinko", "msgspec"}
RUNTIME_EXTRAS = {
    "falcon_pachinko.asyncapi.files": {"yaml"},
    "falcon_pachinko.manager.redis": {"redis"},
}

# The rest of the toolkit works in a REPL, in unittest and inside `@given`.
MAY_IMPORT_PYTEST = {
    "pytest_pachinko.fixtures_asyncio",
    "pytest_pachinko.fuzz.collect",
    "pytest_pachinko.items",
    "pytest_pachinko.plugin",
    "pytest_pachinko.plugin_artefacts",
    "pytest_pachinko.plugin_baselines",
    "pytest_pachinko.plugin_contract",
    "pytest_pachinko.plugin_coverage",
}


class Import(NamedTuple):
    """One imported name and the line that imports it."""

    target: str
    line: int


def read_sources() -> dict[str, tuple[Path, ast.Module]]:
    """Parse every module of both packages, wherever they are installed."""
    sources = {}
    for package in ("falcon_pachinko", "pytest_pachinko"):
        spec = find_spec(package)
        assert spec is not None, f"{package} is not installed"
        for location in spec.submodule_search_locations or ():
            for path in sorted(Path(location).rglob("*.py")):
                parts = (package, *path.relative_to(location).with_suffix("").parts)
                name = ".".join(parts).removesuffix(".__init__")
                sources[name] = (path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return sources


SOURCES = read_sources()


def walk_runtime(node: ast.AST) -> Iterator[ast.AST]:
    """Walk everything that can run, leaving out the body of `if TYPE_CHECKING:`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from walk_runtime(other)
        else:
            yield from walk_runtime(child)


def imports_of(module: str) -> Iterator[Import]:
    """Find what a module imports, as far as a constant says it."""
    path, tree = SOURCES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in walk_runtime(tree):
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                if level:
                    above = package.split(".")[: len(package.split(".")) - level + 1]
                    base = ".".join([*above, *([base] if base else [])])
                for alias in names:
                    # `from package import name` imports a module when there is one of that name.
                    submodule = f"{base}.{alias.name}"
                    yield Import(submodule if submodule in SOURCES else str(base), node.lineno)
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if ast.unparse(
                func
            ).endswith(("import_module", "__import__")):
                yield Import(name.lstrip("."), node.lineno)


def offences(module: str, allowed: set[str] | None, forbidden: set[str]) -> list[str]:
    """Describe the imports of foreign top-level packages that a module must not have."""
    return [
        f"{SOURCES[module][0].name}:{found.line} imports {found.target}"
        for found in imports_of(module)
        if (top := found.target.split(".")[0]) in forbidden
        or (allowed is not None and top not in allowed | sys.stdlib_module_names)
    ]


def modules_below(package: str) -> list[str]:
    return [name for name in SOURCES if name.split(".")[0] == package]


@pytest.mark.parametrize("module", SOURCES)
def test_every_module_has_a_place_in_the_order(module: str) -> None:
    assert module in ORDER, f"add {module} to ORDER, below everything that it imports"


def test_the_order_names_no_module_twice() -> None:
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("module", [name for name in SOURCES if name in ORDER])
def test_imports_point_up_the_order(module: str) -> None:
    above = set(ORDER[: ORDER.index(module) + 1])
    # The top of the toolkit hands out every name lazily, so it may point at all of its modules.
    if module == "pytest_pachinko":
        above |= set(ORDER)

    downwards = [
        f"{SOURCES[module][0].name}:{found.line} imports {found.target}"
        for found in imports_of(module)
        if found.target in SOURCES and found.target not in above
    ]

    assert not downwards


@pytest.mark.parametrize("module", modules_below("falcon_pachinko"))
def test_the_runtime_imports_falcon_and_msgspec_only(module: str) -> None:
    allowed = RUNTIME | RUNTIME_EXTRAS.get(module, set())

    assert not offences(module, allowed, forbidden=set())


@pytest.mark.parametrize("module", modules_below("pytest_pachinko"))
def test_only_the_plugin_and_its_fixtures_import_pytest(module: str) -> None:
    forbidden = set() if module in MAY_IMPORT_PYTEST else {"_pytest", "pytest", "pytest_asyncio"}

    assert not offences(module, allowed=None, forbidden=forbidden)


@pytest.mark.parametrize("module", SOURCES)
def test_shipped_code_has_no_bare_assert(module: str) -> None:
    """Python drops them under -O, and pytest rewrites them in one way of installing only."""
    path, tree = SOURCES[module]

    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]

    assert not lines, f"{path.name}: raise AssertionError with a text instead"
