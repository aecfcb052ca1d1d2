"""Several instances of one application, which hear each other: in memory, or as processes."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from contextlib import contextmanager
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from typing import Generic
from typing import Literal
from typing import overload
from typing import Self
from typing import TYPE_CHECKING
from typing import TypeVar

from pytest_pachinko.application import check_application
from pytest_pachinko.application import is_factory
from pytest_pachinko.application import load_value
from pytest_pachinko.application import make_application
from pytest_pachinko.backends import FaultyBackend
from pytest_pachinko.broadcast import Receivers
from pytest_pachinko.client import TIMEOUT as NETWORK_TIMEOUT
from pytest_pachinko.client import WebSocketTestClient
from pytest_pachinko.connecting import TIMEOUT
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.groups import backends_of
from pytest_pachinko.groups import manager_of
from pytest_pachinko.groups import managers_of
from pytest_pachinko.groups import put_behind
from pytest_pachinko.harness import SimulatorRouterHarness
from pytest_pachinko.processes import ServerProcess
from pytest_pachinko.serving import uvicorn_config
from pytest_pachinko.trace.record import merged

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Mapping
    from types import TracebackType

    from falcon_pachinko.manager.manager import WebSocketConnectionManager
    from pytest_pachinko.clock.core import Policy
    from pytest_pachinko.memory import MemoryTransport
    from pytest_pachinko.session import Session
    from pytest_pachinko.trace.record import Trace

__all__ = [
    "ClusterFactory",
    "LiveCluster",
    "MemoryCluster",
    "Node",
    "ProcessNode",
    "find_factory",
    "locate_factory",
]

__tracebackhide__ = True  # a failure is shown in the test, not in here

_HOST = "127.0.0.1"

_ONE_APPLICATION = (
    "{what} is one application, and a cluster needs one for each node.\n"
    "Hint: name a function that makes it, in the configuration of pytest\n"
    '    pachinko_app = "chat.app:create_app"\n'
    "or return that function from the fixture\n"
    "    @pytest.fixture\n"
    "    def websocket_app():\n"
    "        return create_app"
)


class Node:
    """One instance of an application in a ``MemoryCluster``.

    Attributes:
        name: Its name, which its manager has too: ``"n1"``, ``"n2"`` and so on.
        app: The application.
        harness: A ``SimulatorRouterHarness`` around it.
    """

    def __init__(self, name: str, app: Any, timeout: float, clock: Policy) -> None:
        self.name = name
        self.app = app
        self.harness = SimulatorRouterHarness(app, timeout=timeout, clock=clock)
        self.connect.node = name

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<Node {self.name}>"

    @property
    def connect(self) -> MemoryTransport:
        """What opens sessions to it: ``async with node.connect(path) as session``."""
        return self.harness._transport

    @property
    def manager(self) -> WebSocketConnectionManager:
        """Its manager.

        Raises:
            PachinkoUsageError: It has none, or several: ``manager_of(node.app, route)``.
        """
        return manager_of(self.app)


class ProcessNode:
    """One process of a ``LiveCluster``, which a test may kill.

    Attributes:
        name: Its name: ``"n1"``, ``"n2"`` and so on.
    """

    def __init__(self, name: str, process: ServerProcess, timeout: float) -> None:
        self.name = name
        self._process = process
        self._timeout = timeout
        self._client: WebSocketTestClient | None = None

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        state = "not running" if self.pid is None else f"{self.url}, process {self.pid}"
        return f"<ProcessNode {self.name}: {state}>"

    @property
    def connect(self) -> WebSocketTestClient:
        """What opens sessions to it: ``async with node.connect(path) as session``.

        Raises:
            PachinkoUsageError: It was never started.
        """
        if self._client is None:
            self._client = WebSocketTestClient(self.url, allow_insecure=True, timeout=self._timeout)
            self._client.node = self.name
        return self._client

    @property
    def port(self) -> int:
        """The port on which it listens, also when it is started again."""
        return self._process.port

    @property
    def url(self) -> str:
        """Its address for WebSockets, such as ``"ws://127.0.0.1:40001"``."""
        return f"ws://{_HOST}:{self.port}"

    @property
    def http_url(self) -> str:
        """Its address for HTTP, such as ``"http://127.0.0.1:40001"``."""
        return f"http://{_HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The id of the process, or None if there is none."""
        return self._process.pid

    @property
    def printed(self) -> str:
        """What it has printed and logged so far."""
        return self._process.printed

    def kill(self) -> None:
        """End it at once, by SIGKILL; nothing in it can do anything about that."""
        self._process.kill()

    async def restart(self) -> None:
        """Start it anew on the same port; it is killed first if it runs.

        Raises:
            LifespanFailed: It does not start.
        """
        self._process.kill()
        await self._process.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it do nothing for the block, by SIGSTOP: its connections stay open.

        Raises:
            PachinkoUsageError: It does not run.
        """
        self._process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if self.pid is not None:
                self._process.signal(signal.SIGCONT)


N = TypeVar("N", Node, ProcessNode)


class _Cluster(Receivers, Sequence[N], Generic[N]):
    """Nodes, in their order, and what all of them see."""

    _nodes: list[N]

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<{type(self).__name__} of {len(self)} nodes>"

    @overload
    def __getitem__(self, index: int) -> N: ...

    @overload
    def __getitem__(self, index: slice) -> list[N]: ...

    def __getitem__(self, index: int | slice) -> N | list[N]:
        """Return a node, or some."""
        return self._nodes[index]

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self._nodes)

    @property
    def traces(self) -> list[Trace]:
        """The traces of all sessions to all nodes; their names begin with the node's."""
        return [trace for transport in self._transports() for trace in transport.traces]

    @property
    def trace(self) -> Trace:
        """The events of all sessions to all nodes, in one order."""
        return merged(self.traces, "all nodes")

    def _sessions(self) -> list[Session]:
        return [session for transport in self._transports() for session in transport._sessions()]

    def _transports(self) -> Sequence[MemoryTransport | WebSocketTestClient]:
        return [node.connect for node in self._nodes]


class MemoryCluster(_Cluster[Node]):
    """Instances of an application in memory, in one event loop and in virtual time.

    The managers of all of them are on one backend, and have the names of their nodes. As an
    async context manager it starts all of them; without, each starts with its first session.

    Args:
        factory: Makes an application; called once for each node.
        size: How many nodes.
        timeout: Seconds after which a wait fails while the outside could still act.
        clock: When time may move while a session is open; see ``virtual_time``.

    Raises:
        PachinkoUsageError: The factory is none, or gives several nodes the same application
            or the same manager.

    Attributes:
        backend: The backend of the managers.

    Example::

        async with MemoryCluster(create_app, 2) as (one, two):
            async with one.connect("/tea") as ann, two.connect("/tea") as bob: ...
    """

    def __init__(
        self,
        factory: Callable[[], Any],
        size: int,
        *,
        timeout: float = TIMEOUT,
        clock: Policy = "demand",
    ) -> None:
        _check_size(size)
        if not is_factory(factory):
            raise PachinkoUsageError(_ONE_APPLICATION.format(what=repr(factory)))
        self.backend = FaultyBackend()
        apps = [
            check_application(make_application(factory, repr(factory)), repr(factory))
            for _ in range(size)
        ]
        names = [f"n{number}" for number in range(1, size + 1)]
        _connect(dict(zip(names, apps, strict=True)), self.backend)
        self._nodes = [
            Node(name, app, timeout, clock) for name, app in zip(names, apps, strict=True)
        ]
        self._running = AsyncExitStack()

    def stop_with(self, stack: AsyncExitStack) -> None:
        """Let what is started by a first session last until a stack is closed."""
        for node in self._nodes:
            node.connect.keep_running()
            stack.push_async_exit(node.connect)

    async def __aenter__(self) -> Self:
        """Start the application of each node."""
        async with AsyncExitStack() as started:
            for node in self._nodes:
                await started.enter_async_context(node.connect)
            self._running = started.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the application of each node."""
        await self._running.__aexit__(kind, error, traceback)


class LiveCluster(_Cluster[ProcessNode]):
    """Instances of an application as processes, each under uvicorn on a port of its own.

    Args:
        app: ``module:attribute``: an ASGI application, or a function that makes one.
        size: How many nodes.
        root: The folder in which modules are looked for too.
        environ: Variables of the environment of each node, over those of this process; None for
            one that it is not to have.
        timeout: Seconds of real time that a wait may take.
        **options: Any other argument of ``uvicorn.Config``, such as ``ws="wsproto"``.

    Raises:
        PachinkoUsageError: A variable is no text, or uvicorn has no such option.
    """

    def __init__(
        self,
        app: str,
        size: int,
        *,
        root: Path | None = None,
        environ: Mapping[str, str | None] | None = None,
        timeout: float = NETWORK_TIMEOUT,
        **options: Any,
    ) -> None:
        _check_size(size)
        environ = dict(environ or {})
        for name, value in environ.items():
            if not isinstance(value, str | None):
                raise PachinkoUsageError(f"environ: {name}={value!r} is no text.")
            if not name or "=" in name or "\0" in name + (value or ""):
                raise PachinkoUsageError(
                    f"environ: {name!r}: {value!r}: no process can have such a variable: the name "
                    "has a letter and no =, and neither has a NUL."
                )
        uvicorn_config(None, options, "websocket_cluster", log_config=None)
        for name, value in options.items():
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise PachinkoUsageError(
                    f"websocket_cluster({name}={value!r}): another process cannot be told that: "
                    f"{error}.\nHint: uvicorn takes the name of most objects, as "
                    '"module:attribute".'
                ) from error
        self._processes = [
            ServerProcess(
                app, name=f"n{n}", root=root or Path.cwd(), environ=environ, options=options
            )
            for n in range(1, size + 1)
        ]
        self._nodes = [
            ProcessNode(f"n{n}", process, timeout)
            for n, process in enumerate(self._processes, start=1)
        ]

    async def __aenter__(self) -> Self:
        """Start the processes, and wait until each of them serves.

        Raises:
            LifespanFailed: One has ended instead.
            PachinkoUsageError: The cluster runs already.
        """
        if any(process.pid is not None for process in self._processes):
            raise PachinkoUsageError(f"{self!r} runs already.\nHint: make another cluster.")
        async with AsyncExitStack() as started:
            for process in self._processes:
                started.callback(process.close)
            await _together([process.start for process in self._processes])
            started.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the processes shut down and end.

        Raises:
            ApplicationFailure: One had ended by itself, or does not end.
        """
        with ExitStack() as closing:
            for process in self._processes:
                closing.callback(process.close)
            try:
                await _together([process.stop for process in self._processes])
            except Exception as failed:
                if error is None:
                    raise
                error.add_note(str(failed))

    def stop_with(self, stack: AsyncExitStack) -> None:
        """Do nothing: processes are started and stopped by a block of their own."""

    def sections(self) -> list[tuple[str, str]]:
        """Return what the report of a failed test is to show of the nodes: titles and texts."""
        printed = [(node.name, node.printed) for node in self._nodes]
        return [(f"Output of {name}", text) for name, text in printed if text]

    def _transports(self) -> Sequence[WebSocketTestClient]:
        return [node._client for node in self._nodes if node._client is not None]


def find_factory(given: Any, named: str, root: Path) -> Callable[[], Any]:
    """Return what makes applications.

    Args:
        given: What ``websocket_app`` is, if a project has its own; None if not.
        named: What the configuration names.
        root: The folder of the project.

    Raises:
        PachinkoUsageError: It is one application, or nothing is named.
    """
    if given is None:
        given, what = load_value(named, root), f"pachinko_app = {named!r}"
    else:
        what = "websocket_app"
    if not is_factory(given):
        raise PachinkoUsageError(_ONE_APPLICATION.format(what=what))
    factory: Callable[[], Any] = given
    return factory


def locate_factory(given: Any, named: str) -> str:
    """Return where another process finds the application, as ``module:attribute``.

    Args:
        given: What ``websocket_app`` is, if a project has its own; None if not.
        named: What the configuration names.

    Raises:
        PachinkoUsageError: It cannot be found there.
    """
    if given is None:
        return named
    module, name = getattr(given, "__module__", None), getattr(given, "__qualname__", "<>")
    if not is_factory(given) or module is None or "<" in name:
        raise PachinkoUsageError(
            f"websocket_app is {given!r}, which another process cannot import.\n"
            "Hint: for live=True name it in the configuration of pytest: "
            'pachinko_app = "chat.app:create_app"; or let websocket_app return a function of a '
            "module"
        )
    return f"{module}:{name}"


class ClusterFactory:
    """What the fixture ``websocket_cluster`` is: makes clusters of ``websocket_app``.

    Args:
        find: Returns the function that makes the application.
        locate: Returns where that is, as ``module:attribute``.
        root: The folder of the project.
        environ: Variables of the environment of processes.
        timeout: Seconds of real time that a wait may take.
        clock: When time may move.
        made: Called with each cluster.
    """

    def __init__(
        self,
        find: Callable[[], Any],
        locate: Callable[[], str],
        *,
        root: Path,
        environ: Mapping[str, str | None],
        timeout: float,
        clock: Policy,
        made: Callable[[MemoryCluster | LiveCluster], None],
    ) -> None:
        self._find = find
        self._locate = locate
        self._root = root
        self._environ = environ
        self._timeout = timeout
        self._clock = clock
        self._made = made

    @overload
    def __call__(self, size: int, *, live: Literal[False] = False) -> MemoryCluster: ...

    @overload
    def __call__(
        self,
        size: int,
        *,
        live: Literal[True],
        environ: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> LiveCluster: ...

    def __call__(
        self,
        size: int,
        *,
        live: bool = False,
        environ: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> MemoryCluster | LiveCluster:
        """Make a cluster.

        Args:
            size: How many nodes.
            live: Whether each node is a process with a server.
            environ: Variables of the environment of these processes, over those of the fixture
                ``websocket_cluster_environ``.
            **options: Arguments of ``uvicorn.Config`` for them.

        Raises:
            PachinkoUsageError: The application cannot be made several times, or an argument is
                for processes only.
        """
        cluster: MemoryCluster | LiveCluster
        if live:
            cluster = LiveCluster(
                self._locate(),
                size,
                root=self._root,
                environ={**self._environ, **(environ or {})},
                timeout=max(self._timeout, NETWORK_TIMEOUT),
                **options,
            )
        elif environ is not None or options:
            names = ", ".join([*(["environ"] if environ is not None else []), *options])
            raise PachinkoUsageError(
                f"websocket_cluster({names}=...): that is for processes.\n"
                f"Hint: websocket_cluster({size}, live=True, ...)"
            )
        else:
            cluster = MemoryCluster(self._find(), size, timeout=self._timeout, clock=self._clock)
        self._made(cluster)
        return cluster


def _check_size(size: int) -> None:
    if not isinstance(size, int) or size < 1:
        raise PachinkoUsageError(f"A cluster of {size!r} nodes: it has one at least.")


def _connect(apps: Mapping[str, Any], backend: FaultyBackend) -> None:
    """Put the managers of all nodes on one backend, as far as they were on one."""
    backends = [backend]
    seen: dict[int, str] = {}
    for name, app in apps.items():
        for each in (app, *managers_of(app)):
            other = seen.setdefault(id(each), name)
            if other != name:
                raise PachinkoUsageError(
                    f"The nodes {other} and {name} have the same object: {each!r}.\n"
                    "Hint: what makes the application makes its manager and all else that belongs "
                    "to one process, so that each node has its own."
                )
        for place, group in enumerate(backends_of(app)):
            # Those on another backend have another one, too.
            while len(backends) <= place:
                backends.append(FaultyBackend())
            for number, manager in enumerate(group, start=1):
                put_behind(manager, backends[place])
                manager.node = name if number == 1 else f"{name}.{number}"


async def _together(functions: Sequence[Callable[[], Any]]) -> None:
    """Call async functions at the same time, and raise the first error when all are done."""
    outcomes = await asyncio.gather(*(each() for each in functions), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
