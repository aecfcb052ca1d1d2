"""The pytest plugin: options, fixtures and reports.

Every pytest run of an environment imports this module, whether it tests a WebSocket or not.
So it imports pytest alone; everything else is imported by what needs it.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from types import SimpleNamespace
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_pachinko.items import flag
from pytest_pachinko.items import Hooks
from pytest_pachinko.items import marked
from pytest_pachinko.items import MARKER
from pytest_pachinko.items import option
from pytest_pachinko.items import SOURCES
from pytest_pachinko.items import traces_of
from pytest_pachinko.items import WRONG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Callable
    from collections.abc import Generator
    from contextlib import AsyncExitStack

    from falcon_pachinko import WebSocketConnectionManager
    from pytest_pachinko.backends import FaultyBackend
    from pytest_pachinko.client import WebSocketTestClient
    from pytest_pachinko.clock import VirtualClock
    from pytest_pachinko.cluster import ClusterFactory
    from pytest_pachinko.connecting import Transport
    from pytest_pachinko.harness import SimulatorRouterHarness
    from pytest_pachinko.live import LiveServer
    from pytest_pachinko.memory import MemoryTransport
    from pytest_pachinko.simulator import WebSocketSimulator

_TURN = pytest.StashKey[str]()  # on which transport a test runs that runs on both

_AFTERWARDS = pytest.StashKey["list[Callable[[], None]]"]()  # what is done after a test

_TRANSPORTS = ("memory", "live", "memory,live", "parity")

_SECTION_LINES = 200

_NAMED = 4  # connections in the title of a section

_NOT_AWAITED = (
    r"error:coroutine 'Session\.:RuntimeWarning",
    r"error:(?s)Exception ignored in. <coroutine object Session\.:pytest.PytestUnraisableExceptionWarning",
)

_NOT_ASYNCIO = (
    "Sessions need asyncio, as Falcon's WebSockets do, and anyio runs this test on another "
    "backend.\n"
    "Hint: in conftest.py, for all tests\n"
    "    @pytest.fixture\n"
    "    def anyio_backend():\n"
    '        return "asyncio"'
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, each with an ini twin that it overrides."""
    group = parser.getgroup("pachinko", "WebSocket tests (pytest_pachinko)")
    group.addoption(
        "--pachinko-app",
        metavar="MODULE:ATTRIBUTE",
        help="the ASGI application that websocket_* fixtures connect to, or a factory of it",
    )
    group.addoption(
        "--pachinko-timeout",
        metavar="SECONDS",
        help="how long a test waits in real time while a socket, thread or process is open",
    )
    group.addoption(
        "--pachinko-transport",
        metavar="NAME",
        help="what carries the sessions of websocket_connect: memory; live, a real server; "
        "memory,live, each test on both; parity, on both and what they see is compared",
    )
    group.addoption(
        "--pachinko-record",
        metavar="DIR",
        help="keep what each test says on the wire as a baseline in that directory",
    )
    group.addoption(
        "--pachinko-baseline",
        metavar="DIR",
        help="fail if a test says something else on the wire than in that baseline",
    )
    group.addoption(
        "--pachinko-accept",
        action="store_true",
        help="show what is different from the baseline, and keep it as the baseline",
    )
    parser.addini("pachinko_record", "see --pachinko-record", default="")
    parser.addini("pachinko_baseline", "see --pachinko-baseline", default="")
    parser.addini(
        "pachinko_volatile",
        "what is different in each run, for baselines: lines of NAME: REGEX or NAME: $.path",
        type="linelist",
    )
    group.addoption(
        "--pachinko-contract",
        metavar="FILE",
        help="fail tests in which the application says what that AsyncAPI document does not allow",
    )
    parser.addini("pachinko_contract", "see --pachinko-contract", default="")
    group.addoption(
        "--pachinko-trace-dir",
        metavar="DIR",
        help="write the trace of each failed test to files in this directory",
    )
    group.addoption(
        "--pachinko-trace-all",
        action="store_true",
        default=None,
        help="with --pachinko-trace-dir: write the traces of tests that pass too",
    )
    group.addoption(
        "--pachinko-cov",
        action="store_true",
        default=None,
        help="show how much of the protocols of websocket_app the tests have spoken",
    )
    group.addoption(
        "--pachinko-cov-json",
        metavar="FILE",
        help="write that to this file",
    )
    group.addoption(
        "--pachinko-cov-fail-under",
        metavar="PERCENT",
        help="fail if it is less than that",
    )
    group.addoption(
        "--pachinko-fuzz",
        action="store_true",
        default=None,
        help="add tests that fuzz each route of the application of --pachinko-app",
    )
    group.addoption(
        "--pachinko-fuzz-examples",
        metavar="NUMBER",
        help="how many streams each of these tests draws",
    )
    group.addoption(
        "--pachinko-fuzz-seed",
        metavar="NUMBER",
        help="draw other streams than with another number; the same ones with the same",
    )
    group.addoption(
        "--pachinko-fuzz-time",
        metavar="SECONDS",
        help="for how long all of these tests draw streams together, instead of a number of them",
    )
    parser.addini("pachinko_fuzz", "see --pachinko-fuzz", type="bool", default=False)
    parser.addini("pachinko_fuzz_examples", "see --pachinko-fuzz-examples", default="100")
    parser.addini("pachinko_fuzz_seed", "see --pachinko-fuzz-seed", default="0")
    parser.addini("pachinko_fuzz_time", "see --pachinko-fuzz-time", default="")
    parser.addini(
        "pachinko_failures",
        "where --pachinko-fuzz keeps the failures that it finds, below the root directory",
        default="tests/pachinko_failures",
    )
    parser.addini(
        "pachinko_routes",
        "routes that --pachinko-fuzz cannot know of: lines of /path = module:Schema -> module:Emits",
        type="linelist",
    )
    parser.addini("pachinko_cov", "see --pachinko-cov", type="bool", default=False)
    parser.addini("pachinko_cov_json", "see --pachinko-cov-json", default="")
    parser.addini("pachinko_cov_fail_under", "see --pachinko-cov-fail-under", default="")
    parser.addini("pachinko_app", "see --pachinko-app")
    parser.addini("pachinko_trace_dir", "see --pachinko-trace-dir", default="")
    parser.addini("pachinko_trace_all", "see --pachinko-trace-all", type="bool", default=False)
    parser.addini("pachinko_transport", "see --pachinko-transport", default="memory")
    parser.addini("pachinko_timeout", "see --pachinko-timeout", default="1.0")
    parser.addini(
        "pachinko_clock",
        "when time may move while a session is open in memory: demand, autojump or wall",
        default="demand",
    )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that a project may implement."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, and register what needs pytest-asyncio where that is."""
    config.addinivalue_line(
        "markers",
        "pachinko(*, baseline, clock, contract, manager, transport, server): what holds for the sessions of a test; "
        "clock is 'demand', 'autojump' or 'wall', like the ini option pachinko_clock; "
        "contract=False keeps a test from being held to the document of --pachinko-contract, "
        "and contract='strict' holds what it sends to that too; "
        "manager is a route, to choose one of several managers; "
        "transport is like the option --pachinko-transport; "
        "server has arguments for the LiveServer, as a dict; "
        "baseline=False keeps a test out of baselines.",
    )
    # A verb of a session that is not awaited does nothing: the test must not pass by that.
    for line in _NOT_AWAITED:
        config.addinivalue_line("filterwarnings", line)
    _timeout(config)
    _check_transport(option(config, "pachinko_transport"))
    _configure_files(config)
    _configure_fuzzing(config)
    if _has_asyncio(config):
        from pytest_pachinko import fixtures_asyncio

        config.pluginmanager.register(fixtures_asyncio, "pachinko-asyncio")


def _configure_files(config: pytest.Config) -> None:
    """Register what reads and writes files, where that is wanted."""
    if option(config, "pachinko_contract"):
        from pytest_pachinko import plugin_contract

        plugin_contract.configure(config)
    directories = ("pachinko_record", "pachinko_baseline")
    if config.getoption("--pachinko-accept") or any(option(config, name) for name in directories):
        from pytest_pachinko import plugin_baselines

        plugin_baselines.configure(config)
    if (
        option(config, "pachinko_trace_dir")
        or config.getoption("--pachinko-trace-all")
        or os.environ.get("GITHUB_STEP_SUMMARY")
    ):
        from pytest_pachinko import plugin_artefacts

        plugin_artefacts.configure(config)


def _configure_fuzzing(config: pytest.Config) -> None:
    """Register what fuzzes, and what measures the coverage of protocols, where that is wanted."""
    fuzzes = flag(config, "pachinko_fuzz")
    values = ("pachinko_cov_json", "pachinko_cov_fail_under")
    if fuzzes or flag(config, "pachinko_cov") or any(option(config, name) for name in values):
        from pytest_pachinko import plugin_coverage

        plugin_coverage.configure(config)
    if fuzzes:
        from pytest_pachinko.fuzz import collect

        collect.configure(config)


def _has_asyncio(config: pytest.Config) -> bool:
    # By module: it has one name as an entry point and another one after `-p`.
    plugin = sys.modules.get("pytest_asyncio.plugin")
    return plugin is not None and config.pluginmanager.is_registered(plugin)


def _timeout(config: pytest.Config) -> float:
    text = option(config, "pachinko_timeout")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise pytest.UsageError(
            f"{text!r} is not a valid pachinko_timeout: seconds, more than 0, such as 2.5"
        )
    return seconds


def _check_transport(name: Any) -> None:
    if name not in _TRANSPORTS:
        raise pytest.UsageError(
            f"{name!r} is not a valid pachinko_transport: {', '.join(map(repr, _TRANSPORTS))}"
        )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the transport if it is not the usual one."""
    name = option(config, "pachinko_transport")
    return None if name == "memory" else f"pachinko: transport {name}"


def _transport(config: pytest.Config, node: Any) -> str:
    """Return what carries the sessions of a test: as its marker says, else the configuration."""
    name = marked(node, "transport", option(config, "pachinko_transport"))
    try:
        _check_transport(name)
    except pytest.UsageError as error:
        message = f"{node.nodeid}: @pytest.mark.pachinko(transport=...): {error}"
    else:
        return str(name)
    pytest.fail(message, pytrace=False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test run on each transport, if there is more than one."""
    if "_pachinko_transport" in metafunc.fixturenames:
        name = _transport(metafunc.config, metafunc.definition)
        if name == "memory,live":
            metafunc.parametrize("_pachinko_transport", name.split(","), indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test on both transports and compare what it saw, if that is wanted."""
    if "_pachinko_transport" not in getattr(item, "fixturenames", ()):
        return None
    if _transport(item.config, item) != "parity":
        return None
    from _pytest.runner import runtestprotocol

    from pytest_pachinko.parity import disparity

    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    item.stash[_TURN] = "memory"
    properties = list(item.user_properties)
    # The parent stands for the next test: what is set up for more than this test stays.
    between: Any = item.parent
    reports = runtestprotocol(item, log=False, nextitem=between)
    if all(report.passed for report in reports):
        in_memory = traces_of(item)
        item.stash[SOURCES] = []
        item.stash[_TURN] = "live"
        item.user_properties[:] = properties
        if getattr(item, "cls", None) is not None:
            for name in ("_instance", "_obj"):  # another instance, as for another test
                vars(item).pop(name, None)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        lines = disparity(in_memory, traces_of(item))
        for report in reports:
            if lines and report.when == "call" and report.passed:
                report.outcome = "failed"
                report.longrepr = "\n".join(lines)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture
def _pachinko_transport(request: pytest.FixtureRequest) -> str:
    turn = getattr(request, "param", None) or request.node.stash.get(_TURN, None)
    name = str(turn or _transport(request.config, request.node))
    if name in ("memory,live", "parity"):
        pytest.fail(
            f"The sessions of this test are to run on {name}, but it asks for websocket_connect "
            "while it runs, and pytest has to know that before.\n"
            "Hint: let the test or its fixture have websocket_connect as an argument.",
            pytrace=False,
        )
    return name


@pytest.fixture
def _pachinko_policy(request: pytest.FixtureRequest) -> Any:
    return _policy(request)


def _policy(request: pytest.FixtureRequest) -> Any:
    """Return when time may move in a test: as its marker says, else the configuration."""
    from pytest_pachinko.clock.control import check_policy

    policy = marked(request.node, "clock", request.config.getini("pachinko_clock"))
    return _or_fail(check_policy, policy)


@pytest.fixture
def websocket_app(request: pytest.FixtureRequest) -> Any:
    """The ASGI application under test, or what makes it.

    Override it, or set pachinko_app = "module:attribute".
    """
    from pytest_pachinko.application import load_application

    config = request.config
    return _or_fail(load_application, option(config, "pachinko_app"), config.rootpath)


@pytest.fixture
def _pachinko_app(websocket_app: Any) -> Any:
    """The application under test, made if websocket_app is what makes it."""
    from pytest_pachinko.application import check_application
    from pytest_pachinko.application import is_surely_factory
    from pytest_pachinko.application import make_application

    if is_surely_factory(websocket_app):
        websocket_app = _or_fail(make_application, websocket_app, "websocket_app")
    return _or_fail(check_application, websocket_app, "websocket_app")


def _application(request: pytest.FixtureRequest) -> Any:
    """Return the application under test, on the backend that the test has."""
    app = request.getfixturevalue("_pachinko_app")
    if "websocket_backend" in request.fixturenames:
        _put_behind(request, app, request.getfixturevalue("websocket_backend"))
    return app


def _put_behind(request: pytest.FixtureRequest, app: Any, backend: Any) -> None:
    """Put a backend behind the application for the test."""
    from pytest_pachinko.groups import replace_backend

    undo = _or_fail(replace_backend, app, backend, marked(request.node, "manager", None))
    _afterwards(request, undo)


def _afterwards(request: pytest.FixtureRequest, undo: Callable[[], None]) -> None:
    """Do something when all fixtures of the test are gone, also those that came before."""
    request.node.stash.setdefault(_AFTERWARDS, []).append(undo)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Undo what was done to the application for a test."""
    try:
        yield
    finally:
        undoing: list[Callable[[], None]] = item.stash.get(_AFTERWARDS, [])
        while undoing:
            undoing.pop()()


@pytest.fixture
def websocket_connect(
    request: pytest.FixtureRequest, _pachinko_app: Any, _pachinko_transport: str
) -> Transport:
    """Open sessions to websocket_app, in memory or as the option --pachinko-transport says.

    Example::

        async with websocket_connect("/path") as session: ...
    """
    if _pachinko_transport == "live":
        server: LiveServer = request.getfixturevalue("websocket_live_server")
        return server.client()
    from pytest_pachinko.memory import MemoryTransport

    transport = MemoryTransport(
        _application(request), timeout=_timeout(request.config), clock=_policy(request)
    )
    # Where another transport is compared with, what is under way is to arrive on both.
    transport.calm = request.node.stash.get(_TURN, None) is not None
    _show_later(request, transport)
    _close_later(request, transport)
    return transport


@pytest.fixture
def websocket_live_server(request: pytest.FixtureRequest) -> LiveServer:
    """The LiveServer that serves websocket_app, in the test's event loop."""
    server: LiveServer = _running(
        request, "live_server", "use: async with LiveServer(app) as server"
    )
    _show_later(request, server)
    return server


@pytest.fixture
def websocket_client(websocket_live_server: LiveServer) -> WebSocketTestClient:
    """A WebSocketTestClient of websocket_live_server.

    Example::

        async with websocket_client.connect("/path") as session: ...
    """
    return websocket_live_server.client()


@pytest.fixture
def _pachinko_new_server(request: pytest.FixtureRequest, _pachinko_app: Any) -> LiveServer:
    from pytest_pachinko.live import LiveServer

    options = marked(request.node, "server", {})
    if not isinstance(options, dict):
        pytest.fail(
            f"@pytest.mark.pachinko(server={options!r}): it takes a dict.\n"
            f"Hint: {MARKER['server']}",
            pytrace=False,
        )
    usual = {"timeout": _timeout(request.config), "clock": _policy(request)}
    server: LiveServer = _or_fail(LiveServer, _application(request), **usual | options)
    return server


@pytest.fixture
def websocket_handshake() -> Any:
    """How --pachinko-fuzz opens connections; override it where that needs other fixtures.

    It is a dict with any of ``headers``, ``cookies``, ``query`` and ``params``, or a function that gives
    one for a route.
    """
    return None


@pytest.fixture
def websocket_harness(request: pytest.FixtureRequest, _pachinko_app: Any) -> SimulatorRouterHarness:
    """Look at the connections of websocket_app from inside: a SimulatorRouterHarness."""
    from pytest_pachinko.harness import SimulatorRouterHarness

    harness = SimulatorRouterHarness(
        _application(request), timeout=_timeout(request.config), clock=_policy(request)
    )
    transport = harness._transport
    _show_later(request, transport)
    _close_later(request, transport)
    return harness


@pytest.fixture
def websocket_manager(
    request: pytest.FixtureRequest, _pachinko_app: Any
) -> WebSocketConnectionManager:
    """The WebSocketConnectionManager of websocket_app.

    Example::

        await websocket_manager.send(Room("tea"), Said(text="hi"))
    """
    from pytest_pachinko.groups import manager_of
    from pytest_pachinko.groups import start_apart

    route = marked(request.node, "manager", None)
    manager: WebSocketConnectionManager = _or_fail(manager_of, _application(request), route)
    _afterwards(request, start_apart(manager))
    name = _runner(request)
    if name is not None:
        # Without a session nothing else would stop it, once it has sent something.
        stack = request.getfixturevalue(f"_pachinko_stack_{name}")
        stack.push_async_callback(manager.stop)
    return manager


@pytest.fixture
def websocket_backend(request: pytest.FixtureRequest, _pachinko_app: Any) -> FaultyBackend:
    """A backend in memory in the place of the one that websocket_app has; override it.

    Example::

        with websocket_backend.late(2): ...
    """
    from pytest_pachinko.backends import FaultyBackend

    backend = FaultyBackend()
    _put_behind(request, _pachinko_app, backend)
    return backend


@pytest.fixture
def websocket_cluster_environ() -> dict[str, str | None]:
    """Variables of the environment of each process of a cluster; override it."""
    return {}


@pytest.fixture
def websocket_cluster(
    request: pytest.FixtureRequest, websocket_cluster_environ: dict[str, str | None]
) -> ClusterFactory:
    """Run several instances of websocket_app, in memory or as processes.

    Example::

        async with websocket_cluster(2) as (one, two):
            async with one.connect("/tea") as ann, two.connect("/tea") as bob: ...
    """
    from pytest_pachinko.cluster import ClusterFactory
    from pytest_pachinko.cluster import find_factory
    from pytest_pachinko.cluster import locate_factory

    config = request.config
    named = option(config, "pachinko_app")
    # Not asked for without need: what it gives may cost something to make.
    known = request._fixturemanager.getfixturedefs("websocket_app", request.node) or ()
    is_ours = known[-1].func.__module__ == __name__
    given = None if is_ours else request.getfixturevalue("websocket_app")
    name = _runner(request)
    stack = None if name is None else request.getfixturevalue(f"_pachinko_stack_{name}")

    def made(cluster: Any) -> None:
        _show_later(request, cluster)
        if stack is not None:
            cluster.stop_with(stack)

    return ClusterFactory(
        partial(find_factory, given, named, config.rootpath),
        partial(locate_factory, given, named),
        root=config.rootpath,
        environ=websocket_cluster_environ,
        timeout=_timeout(config),
        clock=_policy(request),
        made=made,
    )


@pytest.fixture
def websocket_simulator(request: pytest.FixtureRequest) -> WebSocketSimulator:
    """A WebSocketSimulator that is connected, to be injected as a connection."""
    simulator: WebSocketSimulator = _running(
        request,
        "simulator",
        "make a WebSocketSimulator() and use: async with simulator.connected()",
    )
    _show_later(request, SimpleNamespace(traces=[simulator.trace]))
    return simulator


@pytest.fixture
def websocket_clock(request: pytest.FixtureRequest) -> Generator[VirtualClock]:
    """The clock of the test's event loop, which is on virtual time from the start.

    Example::

        await websocket_clock.advance(30)
    """
    from pytest_pachinko.tasks import side
    from pytest_pachinko.tasks import TEST

    clock: VirtualClock = _running(
        request, "clock", "use: with pytest_pachinko.clock.virtual_time()"
    )
    # The test runs in a copy of this context: what it waits for moves time from its first line.
    before = side.get()
    side.set(TEST)
    yield clock
    side.set(before)


def _running(request: pytest.FixtureRequest, kind: str, otherwise: str) -> Any:
    """Return what a fixture inside of the test's event loop gives."""
    name = _runner(request)
    if name is None:
        pytest.fail(
            f"websocket_{kind} lives in an event loop, and this test has none.\n"
            f"Hint: an async test with pytest-asyncio or anyio; or {otherwise}",
            pytrace=False,
        )
    return request.getfixturevalue(f"_pachinko_{kind}_{name}")


@pytest.fixture
async def _pachinko_stack_anyio() -> AsyncIterator[AsyncExitStack]:
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def _pachinko_simulator_anyio() -> AsyncIterator[WebSocketSimulator]:
    from pytest_pachinko.simulator import WebSocketSimulator

    async with WebSocketSimulator().connected() as simulator:
        yield simulator


@pytest.fixture
async def _pachinko_live_server_anyio(
    _pachinko_new_server: LiveServer,
) -> AsyncIterator[LiveServer]:
    async with _pachinko_new_server as server:
        yield server


@pytest.fixture
async def _pachinko_clock_anyio(_pachinko_policy: Any) -> AsyncIterator[VirtualClock]:
    from pytest_pachinko.clock import virtual_time

    with virtual_time(_pachinko_policy) as clock:
        yield clock


def _or_fail(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call something, and let the test fail by what is wrong with its arguments."""
    from pytest_pachinko.errors import PachinkoUsageError

    try:
        return function(*arguments, **options)
    except PachinkoUsageError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


def _show_later(request: pytest.FixtureRequest, source: Any) -> None:
    """Show the traces of something if the test fails."""
    request.node.stash.setdefault(SOURCES, []).append(source)


def _close_later(request: pytest.FixtureRequest, transport: MemoryTransport) -> None:
    """Stop the application's lifespan after the test, in the test's own event loop."""
    name = _runner(request)
    if name is not None:
        stack = request.getfixturevalue(f"_pachinko_stack_{name}")
        transport.keep_running()
        stack.push_async_exit(transport)


def _runner(request: pytest.FixtureRequest) -> str | None:
    """Return who runs the test: anyio, or the loop scope that pytest-asyncio runs it in."""
    if "anyio_backend" in request.fixturenames:
        if request.getfixturevalue("anyio_backend_name") != "asyncio":
            pytest.fail(_NOT_ASYNCIO, pytrace=False)
        return "anyio"
    marker = request.node.get_closest_marker("asyncio")
    if marker is None or not _has_asyncio(request.config):
        return None
    scope = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope")
    return str(scope or request.config.getini("asyncio_default_test_loop_scope") or "function")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget at which event the test before has failed."""
    item.config.stash[WRONG] = ("", -1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the traces of the test's connections to the report of its failure."""
    report = yield
    if report.failed and SOURCES in item.stash:
        for source in item.stash[SOURCES]:
            report.sections += getattr(source, "sections", list)()
        from pytest_pachinko.trace.explain import conversation
        from pytest_pachinko.trace.record import merged

        traces = traces_of(item)
        if traces:
            names = ", ".join(trace.connection for trace in traces[:_NAMED])
            more = f" and {len(traces) - _NAMED} more" if len(traces) > _NAMED else ""
            wrong = item.config.stash.get(WRONG, None)
            lines = conversation(merged(trace.named() for trace in traces), _SECTION_LINES, wrong)
            report.sections.append((f"WebSocket trace of {names}{more}", "\n".join(lines)))
    return report


def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: Any, right: Any
) -> list[str] | None:
    """Say how a trace, or a message, differs from what it was compared with."""
    # Nobody has a trace if the module was never imported.
    module = sys.modules.get("pytest_pachinko.trace.record")
    if module is None or op != "==":
        return None
    if _are_messages(left, right):
        from pytest_pachinko.trace.explain import unequal

        return unequal(left, right)
    if not isinstance(left, module.Trace):
        left, right = right, left
    if not isinstance(left, module.Trace) or not isinstance(right, module.Trace | list | tuple):
        return None
    from pytest_pachinko.trace.explain import compare

    lines, wrong = compare(left, right)
    if wrong is not None:
        config.stash[WRONG] = (left.connection, wrong)
    return lines


def _are_messages(left: Any, right: Any) -> bool:
    struct = sys.modules["msgspec"].Struct
    return isinstance(left, struct) and type(left) is type(right)
