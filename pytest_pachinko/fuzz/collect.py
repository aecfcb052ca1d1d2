"""Test items for the routes of an application, without any test code."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import nullcontext
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from types import SimpleNamespace
from typing import Any
from typing import TYPE_CHECKING

import pytest

from falcon_pachinko.templates import fields_of
from pytest_pachinko.application import is_factory
from pytest_pachinko.application import load_application
from pytest_pachinko.application import load_value
from pytest_pachinko.coverage import collect as collect_coverage
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.fuzz.checks import CHECKS
from pytest_pachinko.fuzz.corpus import Failure
from pytest_pachinko.fuzz.corpus import load_all
from pytest_pachinko.fuzz.corpus import save
from pytest_pachinko.fuzz.phases import PHASES
from pytest_pachinko.fuzz.phases import run_phase
from pytest_pachinko.fuzz.phases import Target
from pytest_pachinko.fuzz.reproducer import explanation
from pytest_pachinko.fuzz.reproducer import headline
from pytest_pachinko.fuzz.reproducer import place_of
from pytest_pachinko.fuzz.reproducer import reproducer
from pytest_pachinko.fuzz.search import Search
from pytest_pachinko.fuzz.search import stable_seed
from pytest_pachinko.items import option
from pytest_pachinko.items import SOURCES
from pytest_pachinko.items import WRONG
from pytest_pachinko.routes import DECLARED
from pytest_pachinko.routes import Route
from pytest_pachinko.routes import routes_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_pachinko.fuzz.phases import Outcome
    from pytest_pachinko.fuzz.search import Found

__all__ = ["configure"]

PULSE = 5.0
"""Seconds after which an item that takes long says how far it is."""

SHARED = (
    "All streams were played against one application: what earlier ones have left in it may matter.\n"
    "Hint: let pachinko_app name a function that makes one.\n"
)

LOOPS = (
    "Each stream has an event loop of its own, and something of the application belongs to another.\n"
    "Hint: make queues, locks and the like in the function that makes the application, or in its "
    "lifespan.\n"
)

_KEYS = {"cookies", "headers", "params", "query"}
_DICTS = {"cookies", "params", "query"}  # headers may be pairs

_LINE = "Hint: /ws = chat.messages:Incoming -> chat.messages:Outgoing"

_SAID = pytest.StashKey[dict[str, Any]]()  # what an item has to say in the summary


def configure(config: pytest.Config) -> None:
    """Register what collects items.

    Raises:
        pytest.UsageError: An option cannot be met.
    """
    try:
        fuzzing = _Fuzzing(config)
    except PachinkoUsageError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(fuzzing, "pachinko-fuzzing")


class _Fuzzing:
    """Adds items to a run, and says in the end what has come of them."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.examples = _number(option(config, "pachinko_fuzz_examples"), "examples", int)
        seconds = option(config, "pachinko_fuzz_time")
        self.seconds = _number(seconds, "time", float) if seconds else None
        self.seed = _number(option(config, "pachinko_fuzz_seed"), "seed", int, least=0)
        self.timeout = float(option(config, "pachinko_timeout"))
        self.directory = config.rootpath / config.getini("pachinko_failures")
        self.app: Any = None  # or what makes one
        self.declared: Any = None  # one that is made, for its routes
        self.routes: list[Route] = []
        self.place = _place(config)
        self.is_added = False
        self.lines: list[str] = []
        self.idle: list[str] = []  # what is said of failures that are of no route
        self.tried = 0

    def read(self) -> None:
        """Find the application and its routes.

        Raises:
            PachinkoUsageError: There is no application, or nothing is known of its messages.
        """
        name = option(self.config, "pachinko_app")
        root = self.config.rootpath
        self.declared = load_application(name, root)
        given = [_declared(line, root) for line in self.config.getini("pachinko_routes")]
        self.routes = _together(routes_of(self.declared), given)
        if not self.routes:
            raise PachinkoUsageError(
                f"{name} has no WebSocketRouter installed, so what its clients may send is not "
                "known.\nHint: name it in the configuration of pytest\n"
                "    pachinko_routes =\n"
                "        /ws = chat.messages:Incoming -> chat.messages:Outgoing"
            )
        value = load_value(name, root)
        self.app = value if is_factory(value) else self.declared

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Add the application to the first directory that is collected as a whole.

        There the fixtures and hooks of the directory's ``conftest.py`` hold for it.
        """
        report = yield
        if (
            not self.is_added
            and isinstance(collector, pytest.Directory)
            and collector.path.resolve() == self.place
        ):
            self.is_added = True
            nodeid = "fuzz" if collector.nodeid in ("", ".") else f"{collector.nodeid}::fuzz"
            node = FuzzedApplication.from_parent(
                collector, name="fuzz", nodeid=nodeid, fuzzing=self
            )
            report.result = [*(report.result or ()), node]
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add what an item says to its report, which also crosses processes."""
        report = yield
        if report.when == "call" and _SAID in item.stash:
            said = report.__dict__["_pachinko_fuzz"] = item.stash[_SAID]
            if "source" in said:
                report.sections.append(("A test that does it again", said["source"]))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what the items say, those of other processes too."""
        said = getattr(report, "_pachinko_fuzz", None)
        if said is not None:
            self.tried += said["tried"]
            self.lines += said["lines"]

    def pytest_collection_finish(self) -> None:
        """Say so if nothing is fuzzed."""
        if not self.is_added:
            self.idle.append("nothing was fuzzed: --pachinko-fuzz needs a directory, not a file")

    def pytest_sessionfinish(self) -> None:
        """Hand over what only the processes of pytest-xdist know."""
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["pachinko_fuzz"] = self.idle

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what such a process knows; each knows the same."""
        self.idle = getattr(node, "workeroutput", {}).get("pachinko_fuzz", self.idle)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what has come of it."""
        lines = [*self.lines, *self.idle]
        if hasattr(self.config, "workerinput") or not (self.tried or lines):
            return
        terminalreporter.section("WebSocket fuzzing")
        for line in lines:
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"{self.tried} streams were played")


def _number(text: str, what: str, kind: type[Any], least: float = 1e-9) -> Any:
    """Return what an option says.

    Raises:
        PachinkoUsageError: It is no number, or less than it may be.
    """
    try:
        number = kind(text)
    except ValueError:
        number = -1
    if not least <= number < float("inf"):
        unit = "seconds" if kind is float else "a whole number"
        above = ", 0 or more" if not least else ", above 0"
        raise PachinkoUsageError(f"{text!r} is not a valid pachinko_fuzz_{what}: {unit}{above}")
    return number


def _declared(line: str, root: Path) -> Route:
    """Return a route that the configuration describes.

    Raises:
        PachinkoUsageError: It is not of the form ``PATH = MODULE:SCHEMA -> MODULE:EMITS``.
    """
    path, equals, types = (part.strip() for part in line.partition("="))
    schema, _, emits = (part.strip() for part in types.partition("->"))
    if not equals or not schema or not path.startswith("/"):
        raise PachinkoUsageError(f"{line!r} is not a valid line of pachinko_routes.\n{_LINE}")
    setting = f"pachinko_routes = {line!r}"
    return Route(
        path,
        None,
        load_value(schema, root, setting, _LINE),
        load_value(emits, root, setting, _LINE) if emits else None,
        DECLARED,
        dict.fromkeys(fields_of(path), ()),
    )


def _together(found: list[Route], given: list[Route]) -> list[Route]:
    """Return the routes of the application, and those that the configuration describes.

    What it says of a route of which the application knows no schema is put in there.

    Raises:
        PachinkoUsageError: It describes a route of which the schema is known.
    """
    routes = {(route.path, route.subprotocol): route for route in found}
    for route in given:
        key = route.path, route.subprotocol
        known = routes.get(key)
        if known is None:
            routes[key] = route
        elif known.schema is None:
            routes[key] = replace(route, values=known.values)
        else:
            who = "another line" if known.resource == DECLARED else known.resource
            raise PachinkoUsageError(
                f"A line of pachinko_routes is for {route.path!r}, and {who} says already what "
                "clients may send there.\nHint: leave the line out."
            )
    return list(routes.values())


def _place(config: pytest.Config) -> Path | None:
    """Return the first directory that is to be collected; None if only files and tests are."""
    paths = (config.invocation_params.dir / argument for argument in config.args)
    return next((path.resolve() for path in paths if path.is_dir()), None)


class FuzzedApplication(pytest.Collector):
    """The routes of the application."""

    def __init__(self, *, fuzzing: _Fuzzing, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fuzzing = fuzzing
        self.obj = ModuleType("fuzz")  # what request.module is

    def collect(self) -> list[pytest.Collector]:
        """Return a node for each route.

        Raises:
            CollectError: There is no application, or something about it is not as it should be.
        """
        try:
            self.fuzzing.read()
            failures = load_all(self.fuzzing.directory)
        except PachinkoUsageError as error:
            raise self.CollectError(str(error)) from error
        except SystemExit as error:
            raise self.CollectError(f"The application calls sys.exit({error.code!r}).") from error
        names = {(route.path, route.subprotocol) for route in self.fuzzing.routes}
        for failure in failures:
            if (failure.route, failure.subprotocol) not in names or failure.phase not in PHASES:
                self.fuzzing.idle.append(
                    f"not played  {failure.path}: there is no route {failure.route!r} with the "
                    f"subprotocol {failure.subprotocol!r}, or no phase {failure.phase!r}"
                )
        return [
            FuzzedRoute.from_parent(self, name=route.name, route=route, failures=failures)
            for route in self.fuzzing.routes
        ]


class FuzzedRoute(pytest.Collector):
    """A route with a subprotocol."""

    def __init__(self, *, route: Route, failures: list[Failure], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.route = route
        application: Any = self.parent
        self.fuzzing: _Fuzzing = application.fuzzing
        self.failures = [
            failure
            for failure in failures
            if (failure.route, failure.subprotocol) == (route.path, route.subprotocol)
        ]

    def collect(self) -> Iterator[pytest.Item]:
        """Return an item for each phase."""
        for phase in PHASES:
            yield FuzzedPhase.from_parent(self, name=phase, callobj=_body(self, phase))


def _body(node: FuzzedRoute, phase: str) -> Any:
    """Return the function that pytest runs for an item, which may ask for fixtures."""

    def fuzz(request: pytest.FixtureRequest, websocket_handshake: Any) -> None:
        request.node.fuzz(node, phase, websocket_handshake)

    return fuzz


class FuzzedPhase(pytest.Function):
    """A phase of a route."""

    def getparent(self, cls: type[Any]) -> Any:
        """Return a node above, as fixtures of a module and ``request.module`` look for theirs."""
        return self._node.parent if cls is pytest.Module else super().getparent(cls)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the item is, for the reports."""
        return self.path, None, self.nodeid

    def fuzz(self, node: FuzzedRoute, phase: str, given: Any) -> None:
        """Run the phase."""
        fuzzing = node.fuzzing
        self.stash[SOURCES] = [SimpleNamespace(traces=[])]
        route = node.route
        if route.schema is None:
            pytest.skip(
                f"what {route.resource} makes is not known: route the class or a "
                "functools.partial of it"
            )
        try:
            target = Target(
                fuzzing.app,
                self._routes(node),
                self._options(node, given),
                self._checks(node),
                timeout=fuzzing.timeout,
            )
            known = [failure for failure in node.failures if failure.phase == phase]
            name = f"{route.name} {phase}"  # wherever pytest is called from
            plan = Search(
                name,
                stable_seed(name) + fuzzing.seed,
                fuzzing.examples,
                self._seconds(),
                self._pulse(),
            )
            collect_coverage([], fuzzing.declared)
            with _quiet():
                outcome = run_phase(target, phase, plan, known)
        except PachinkoUsageError as error:
            message = str(error)
        else:
            self._conclude(target, phase, outcome)
            return
        pytest.fail(message, pytrace=False)

    def _seconds(self) -> float | None:
        """Return for how long an item searches: all have the same time."""
        seconds = self._node.fuzzing.seconds
        if seconds is None:
            return None
        items = sum(isinstance(item, FuzzedPhase) for item in self.session.items)
        return float(seconds / items)

    def _routes(self, node: FuzzedRoute) -> list[Route]:
        """Return the route, and the others of its path that are known."""
        here = [
            route
            for route in node.fuzzing.routes
            if route.path == node.route.path and route.schema is not None
        ]
        return sorted(here, key=lambda route: route is not node.route)

    def _options(self, node: FuzzedRoute, given: Any) -> dict[str | None, dict[str, Any]]:
        options = {}
        for route in self._routes(node):
            answer = self.ihook.pytest_pachinko_connection(route=route)
            own = given(route) if callable(given) else given
            for source, value in (
                ("The hook pytest_pachinko_connection(route)", answer),
                ("The fixture websocket_handshake", own),
            ):
                # What is in it may be secret.
                wrong = set(value) - _KEYS if isinstance(value, dict) else {type(value).__name__}
                if value is not None and wrong:
                    raise PachinkoUsageError(
                        f"{source} gives {', '.join(map(repr, sorted(wrong)))}: it is a dict with "
                        f"some of {', '.join(sorted(_KEYS))}."
                    )
                for key in _DICTS.intersection(value or ()):
                    if not isinstance(value[key], Mapping | None):
                        raise PachinkoUsageError(
                            f"{source} gives a {type(value[key]).__name__} for {key!r}: it is a "
                            f"dict, by name.\nHint: {{{key!r}: {{'name': 'value'}}}}"
                        )
            options[route.subprotocol] = (answer or {}) | (own or {})
        return options

    def _checks(self, node: FuzzedRoute) -> list[Any]:
        checks = list(CHECKS)
        self.ihook.pytest_pachinko_checks(route=node.route, checks=checks)
        return checks

    def _pulse(self) -> Any:
        """Return what shows from time to time how far the item is."""
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        if reporter is None or hasattr(self.config, "workerinput"):
            return None
        if not (self._seconds() or reporter.isatty or self.config.option.verbose > 0):
            return None  # a run that nobody looks at, and that does not last
        capture = self.config.pluginmanager.getplugin("capturemanager")
        started = last = time.monotonic()
        count = 0

        def pulse() -> None:
            nonlocal last, count
            count += 1
            now = time.monotonic()
            if now - last < PULSE:
                return
            last = now
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                reporter.write_line(f"\n{self.nodeid}: {count} streams in {now - started:.0f} s")

        return pulse

    def _conclude(self, target: Target, phase: str, outcome: Outcome) -> None:
        """Say what a phase has come to, and fail if something was found."""
        lines = [
            f"fixed  {self._shown(failure.path)} may be deleted ({failure.error})"
            for failure in outcome.fixed
        ] + [
            f"outdated  {self._shown(failure.path)} is no more what it was found to be, since the "
            "schema has changed; it may be deleted"
            for failure in outcome.outdated
        ]
        self.stash[_SAID] = {"tried": outcome.tried, "lines": lines}
        fuzzing = self._node.fuzzing
        found = outcome.found
        if not outcome.tried:
            pytest.skip("the schema has no bounds, so there is nothing to try")
        if found is None and target.refused and not target.accepted:
            pytest.skip(
                "every connection was refused, so nothing was fuzzed\n"
                "Hint: the hook pytest_pachinko_connection(route), or the fixture "
                "websocket_handshake, says how to get in."
            )
        if found is None:
            return
        route = target.route
        error = headline(found.error)
        if outcome.failing is not None:
            path, how = outcome.failing.path, "is what failed in an earlier run, and still does"
        else:
            failure = Failure(route.path, route.subprotocol, phase, error, found.stream)
            path, how = self._save(failure)
        lines.append(f"found  {self._shown(path)} ({error})")
        self._show(target, found)
        stream, handshake = target.spelled_out(found.stream)
        source = reproducer(
            stream,
            handshake,
            f"{route.path} {phase}",
            app=fuzzing.app,
            schema=route.schema,
            check=target.last_check,
        )
        self.stash[_SAID]["source"] = source
        shared = "" if is_factory(target.app) else SHARED
        if "different event loop" in str(found.error):
            shared += LOOPS
        raise _Found(f"{explanation(found, route.schema)}\n{shared}\n{self._shown(path)} {how}.")

    def _save(self, failure: Failure) -> tuple[Path, str]:
        """Save a failure; return where, and what to say of it."""
        directory = self._node.fuzzing.directory
        try:
            return save(directory, failure), "has the stream, and is played first from here on"
        except OSError as error:
            return directory, f"could not be written to ({error}), so the stream is only shown here"

    def _show(self, target: Target, found: Found) -> None:
        """Play a stream once more, for its logs and traces, and mark where it goes wrong."""
        traces = self.stash[SOURCES][0].traces
        with suppress(Exception):  # it may not even start
            played = target.play(found.stream)
            traces += [line.trace for line in played.lines]
            for check in target.checks:
                try:
                    check(played)
                except Exception as error:  # noqa: BLE001 - as it was raised before
                    place = place_of(error, played)
                    if place is not None:
                        self.config.stash[WRONG] = place
                    return

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]
        """Return what to show of a failure: not where in the toolkit it was raised."""
        if isinstance(excinfo.value, _Found):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    @property
    def _node(self) -> FuzzedRoute:
        node: Any = self.parent
        return node  # type: ignore[no-any-return]

    def _shown(self, path: Path | None) -> str:
        """Return how a file is called in messages."""
        here = self.config.invocation_params.dir
        if path is not None and path.is_relative_to(here):
            return path.relative_to(here).as_posix()
        return str(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what is logged in thousands of plays out of the report; that of the last one is shown."""

    def nothing(_: logging.LogRecord) -> bool:
        return False

    handlers = logging.getLogger().handlers[:]
    for handler in handlers:
        handler.addFilter(nothing)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(nothing)


class _Found(Exception):  # noqa: N818 - it is the application that is wrong
    """Something was found; the text says what."""
