"""A failed play as text: what crossed the wire, and a test that does it again. Pure."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from typing import get_args
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_pachinko.fuzz.checks import called
from pytest_pachinko.fuzz.checks import CHECKS
from pytest_pachinko.fuzz.literal import literal
from pytest_pachinko.fuzz.literal import literal_of_message
from pytest_pachinko.fuzz.literal import name_of
from pytest_pachinko.fuzz.literal import quoted
from pytest_pachinko.fuzz.literal import Unwritable
from pytest_pachinko.headers import encode_headers
from pytest_pachinko.stacks import places_in
from pytest_pachinko.stream import frame_of
from pytest_pachinko.stream import InvalidFrame
from pytest_pachinko.stream import messages_of
from pytest_pachinko.stream import Peer
from pytest_pachinko.stream import plain_params
from pytest_pachinko.stream import Send
from pytest_pachinko.stream import Stream
from pytest_pachinko.trace.event import decoder
from pytest_pachinko.trace.explain import conversation
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.redact import REDACTED
from pytest_pachinko.trace.redact import SECRETS
from pytest_pachinko.trace.values import plain

if TYPE_CHECKING:
    from pytest_pachinko.fuzz.checks import Check
    from pytest_pachinko.fuzz.literal import Imports
    from pytest_pachinko.fuzz.played import Handshake
    from pytest_pachinko.fuzz.played import Played
    from pytest_pachinko.fuzz.search import Found
    from pytest_pachinko.stream import Step

__all__ = ["explanation", "headline", "place_of", "report", "reproducer"]

FLAKY = (
    "A stream with which that has happened, but not each time: the application depends on something "
    "else, such as the clock, random numbers or what earlier streams have left behind."
)

LINES = 30
"""How many events a report shows, the last ones."""

WIDTH = 80
"""How long a line of source may be before it is broken."""


def headline(error: BaseException) -> str:
    """Return what went wrong in one line."""
    lines = str(error).strip().splitlines() or [""]
    # What a server says of an exception ends with it.
    text = lines[-1 if lines[0].endswith("Traceback (most recent call last):") else 0]
    if text.endswith(":") and len(lines) > 1:
        text = f"{text} {lines[1].strip()}"
    name = type(error).__name__
    return shorten(f"{name}: {text}" if text else name)


def explanation(found: Found, schema: Any = None) -> str:
    """Return what was found, in lines: what went wrong, where, and with which stream.

    Args:
        found: What was found.
        schema: What a client may send; messages are shown by its types.
    """
    error = found.error
    imports: Imports = set()
    steps = [f"  {_step(step, imports, schema)}" for step in found.stream]
    steps += [
        f"  connection {number}: {_peer(peer, imports)}"
        for number, peer in enumerate(found.stream.peers, start=1)
        if peer != Peer()
    ]
    text = str(error).strip()
    lines = [f"{type(error).__name__}: {text}" if text else type(error).__name__]
    lines += [f"  {place}" for place in places_in(error)]
    lines += ["", "The smallest stream with which that happens:" if found.always else FLAKY]
    return "\n".join([*lines, *(steps or ["  (no step: nobody connects)"])])


def place_of(error: BaseException, played: Played) -> tuple[str, int] | None:
    """Return the connection and the index of the event at which something went wrong."""
    for line in played.lines:
        if any(error is each for each in line.failures):
            raised = [event.index for event in line.trace if event.kind == "raised"]
            return line.trace.connection, (raised or [0])[0]
    return getattr(error, "at", None)


def report(played: Played, check: Check, error: BaseException) -> list[str]:
    """Return what to say of a play that failed, in paragraphs.

    Args:
        played: What came of it.
        check: What does not hold.
        error: What the check has raised.
    """
    events = "\n".join(conversation(played.trace, LINES, place_of(error, played)))
    source = reproducer(played.stream, played.handshake, check=check, lifespan=played.lifespan)
    return [f"What crossed the wire:\n{events}", f"A test that does it again:\n\n{source}"]


def reproducer(
    stream: Stream,
    handshake: Handshake,
    name: str = "what_was_found",
    *,
    app: Any = None,
    schema: Any = None,
    check: Check | None = None,
    lifespan: bool = True,
) -> str:
    """Return the source of a test that plays a stream.

    Args:
        stream: The stream.
        handshake: How its connections are opened; secrets are not written.
        name: What to call it.
        app: The application, or what makes one; ``websocket_app`` stands for it if that cannot be
            imported.
        schema: What a client may send; messages are shown by its types.
        check: What does not hold, if that is known.
        lifespan: Whether to run the application's lifespan.
    """
    source = _Source(schema)
    text = source.test(stream, handshake, name, app, check, lifespan=lifespan)
    if not source.is_ambiguous():
        return text
    # Two things have one name, such as a message called Send: what crosses the wire has none.
    return _Source(None).test(_on_wire(stream), handshake, name, None, None, lifespan=lifespan)


def _on_wire(stream: Stream) -> Stream:
    """Return a stream with its messages as data."""
    steps = [
        structs.replace(step, message=plain(step.message))
        if isinstance(step, Send) and not isinstance(step.message, InvalidFrame | str | bytes)
        else step
        for step in stream
    ]
    return Stream(steps, stream.peers)


class _Source:
    """What is written so far: the names that it needs."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.imports: Imports = {("pytest_pachinko", "play")}

    def is_ambiguous(self) -> bool:
        """Return whether one name is that of two things."""
        names = [name for _, name in self.imports if name]
        return len(names) != len(set(names))

    def test(
        self,
        stream: Stream,
        handshake: Handshake,
        name: str,
        app: Any,
        check: Check | None,
        *,
        lifespan: bool,
    ) -> str:
        imports = self.imports
        lines = self._stream(stream)
        options = [f"{key}={value}" for key, value in _options(handshake, imports)]
        if not lifespan:
            options.append("lifespan=False")
        comments = []
        if check is not None and check not in CHECKS:
            try:
                options.append(f"checks=[*CHECKS, {name_of(check, imports)}]")
                imports.add(("pytest_pachinko", "CHECKS"))
            except Unwritable:
                comments.append(f"play() needs checks=[*CHECKS, {called(check)}] for this to fail.")
        application, fixture = "websocket_app", "websocket_app"
        with suppress(Unwritable):
            application, fixture = name_of(app, imports), ""
        body = [
            f"stream = {lines[0]}",
            *lines[1:],
            *_call("play(", [application, quoted(handshake.path), "stream", *options], ")"),
        ]
        if any(REDACTED in line for line in body):
            comments.append(f"Put in what is {REDACTED}: it was given by the hook or the fixture.")
        test = [
            f"def test_{_identifier(name)}({fixture}):",
            *_indented([f"# {comment}" for comment in comments]),
            *_indented(body),
        ]
        return "\n".join([*_import_lines(imports), "", "", *test]) + "\n"

    def _stream(self, stream: Stream) -> list[str]:
        imports = self.imports
        shown = stream.peers if any(peer != Peer() for peer in stream.peers) else []
        if not shown and all(
            isinstance(step, Send) and step.on == 1 and step.turns is None for step in stream
        ):
            messages = [typed(message, self.schema) for message in messages_of(stream)]
            return _call("[", [literal_of_message(each, imports) for each in messages], "]")
        imports.add(("pytest_pachinko", "Stream"))
        lines = _call("[", [_step(step, imports, self.schema) for step in stream], "]")
        if shown:
            lines[-1] += ","
            lines += _call("peers=[", [_peer(peer, imports) for peer in shown], "],")
        return ["Stream(", *_indented(lines), ")"]


def _step(step: Step, imports: Imports, schema: Any) -> str:
    """Return the source of a step."""
    kind = type(step)
    imports.add(("pytest_pachinko", kind.__name__))
    given = []
    for field, default in zip(kind.__struct_fields__, _defaults(kind), strict=True):
        value = getattr(step, field)
        if field == "message":
            given.append(literal_of_message(typed(value, schema), imports))
        elif value != default:
            given.append(f"{field}={value!r}")
    return f"{kind.__name__}({', '.join(given)})"


def typed(message: Any, schema: Any) -> Any:
    """Return a message that is wire data as an instance, if that says the same on the wire."""
    if schema is None or not isinstance(message, dict | list):
        return message
    frame = frame_of(message)
    try:
        instance = decoder(schema).decode(frame)
        return instance if frame_of(instance) == frame else message
    except Exception:  # noqa: BLE001 - a __post_init__ may raise anything
        return message


def _defaults(kind: Any) -> list[Any]:
    missing = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    return [None] * missing + list(kind.__struct_defaults__)


def _peer(peer: Peer, imports: Imports) -> str:
    imports.add(("pytest_pachinko", "Peer"))
    given = []
    if peer.params:
        given.append(f"params={literal(plain_params(peer), imports)}")
    if peer.subprotocols:
        given.append(f"subprotocols={literal(peer.subprotocols, imports)}")
    if peer.headers:
        given.append(f"headers={_headers(peer.headers, imports)}")
    return f"Peer({', '.join(given)})"


def _options(handshake: Handshake, imports: Imports) -> list[tuple[str, str]]:
    options = []
    if handshake.headers:
        options.append(("headers", _headers(handshake.headers, imports)))
    if handshake.subprotocols:
        options.append(("subprotocols", literal(list(handshake.subprotocols), imports)))
    if handshake.cookies:
        hidden = dict.fromkeys(handshake.cookies, REDACTED)
        options.append(("cookies", literal(hidden, imports)))
    if handshake.params:
        shown = {
            key: REDACTED if key.lower() in SECRETS else value
            for key, value in handshake.params.items()
        }
        options.append(("params", literal(shown, imports)))
    for key in ("schema", "emits"):
        given = getattr(handshake, key)
        if given is not None:
            with suppress(Unwritable):
                kinds = get_args(given) or (given,)
                options.append((key, " | ".join(name_of(kind, imports) for kind in kinds)))
    return options


def _headers(headers: Any, imports: Imports) -> str:
    pairs = [(name.decode(), value.decode("latin-1")) for name, value in encode_headers(headers)]
    shown = [(name, REDACTED if name in SECRETS else value) for name, value in pairs]
    return literal(dict(shown) if len(dict(shown)) == len(shown) else shown, imports)


def _call(opening: str, arguments: list[str], closing: str) -> list[str]:
    """Return a call in one line, or in one for each argument."""
    line = f"{opening}{', '.join(arguments)}{closing}"
    if len(line) <= WIDTH and (opening == "play(" or len(arguments) <= 1):
        return [line]
    return [opening, *_indented([f"{argument}," for argument in arguments]), closing]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _import_lines(imports: Imports) -> list[str]:
    modules = sorted(module for module, name in imports if not name)
    names = sorted((module, name) for module, name in imports if name)
    return [
        *(f"import {module}" for module in modules),
        *(f"from {module} import {name}" for module, name in names),
    ]


def _identifier(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_").lower() or "it"
