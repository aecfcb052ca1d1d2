import functools
import inspect
from collections.abc import Awaitable
from collections.abc import Callable
from typing import Any
from typing import Generic
from typing import TypeVar
from typing import Union

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko import HandlerError
from falcon_pachinko import handles_message
from falcon_pachinko import InvalidMessage
from falcon_pachinko.dispatch import compile_dispatch
from falcon_pachinko.dispatch import explain
from falcon_pachinko.dispatch import LIFECYCLE
from falcon_pachinko.dispatch import signature_for
from falcon_pachinko.dispatch import snake_case
from falcon_pachinko.schema import read_schema

T = TypeVar("T")


class Join(msgspec.Struct, tag="join"):
    room: str


class Say(msgspec.Struct, tag="say"):
    text: str
    n: int = 0
    ratio: float = 0.0
    extra: Any = None


class Strict(msgspec.Struct, tag="strict", forbid_unknown_fields=True):
    pass


class Pair(msgspec.Struct, tag="pair", array_like=True):
    left: int


class Envelope(msgspec.Struct, Generic[T], tag="envelope"):
    payload: T


class Boom(msgspec.Struct, tag="boom"):
    text: str

    def __post_init__(self) -> None:
        raise ERRORS[self.text]


ERRORS = {
    error.__name__: error
    for error in (AssertionError, KeyError, MemoryError, RecursionError, StopIteration, ValueError)
}
SCHEMA = read_schema(Join | Say | Strict | Boom, "Chat")
decode = msgspec.json.Decoder(SCHEMA.annotation).decode
DEEP = "[" * 100_000


def lifecycle(tag: str) -> type[msgspec.Struct]:
    return msgspec.defstruct(tag, [], tag=tag)


def refusal(frame: str | bytes) -> InvalidMessage:
    try:
        message = decode(frame)
    except Exception as error:  # noqa: BLE001 - whatever it is must be explained
        return explain(SCHEMA, frame, error)
    raise AssertionError(f"{message} is a message")


def handlers(cls: type) -> dict[str, str]:
    return {struct.__name__: name for struct, name in compile_dispatch(cls).handlers.items()}


def test_a_method_named_after_a_tag_handles_it() -> None:
    class Chat:
        schema = Join | Say

        async def on_say(self, ws: object, message: object) -> None: ...

    assert handlers(Chat) == {"Say": "on_say"}


def test_a_decorated_method_handles_its_tag() -> None:
    class Chat:
        schema = Join | Say

        @handles_message("say")
        async def relay(self, ws: object, message: object) -> None: ...

    assert handlers(Chat) == {"Say": "relay"}


def test_one_method_may_handle_several_tags() -> None:
    class Chat:
        schema = Join | Say

        @handles_message("say")
        @handles_message("join")
        async def everything(self, ws: object, message: object) -> None: ...

    assert handlers(Chat) == {"Say": "everything", "Join": "everything"}


def test_a_decorated_method_may_be_named_after_another_tag() -> None:
    class Chat:
        schema = Join | Say

        @handles_message("say")
        async def on_join(self, ws: object, message: object) -> None: ...

    assert handlers(Chat) == {"Say": "on_join"}


def test_an_override_keeps_the_tags_of_what_it_overrides() -> None:
    class Chat:
        schema = Say

        @handles_message("say")
        async def relay(self, ws: object, message: object) -> None: ...

    class Quiet(Chat):
        async def relay(self, ws: object, message: object) -> None: ...

    assert handlers(Quiet) == {"Say": "relay"}


def test_an_override_may_be_decorated_anew() -> None:
    class Chat:
        schema = Join | Say

        @handles_message("say")
        async def relay(self, ws: object, message: object) -> None: ...

    class Quiet(Chat):
        @handles_message("join")
        async def relay(self, ws: object, message: object) -> None: ...

    assert handlers(Quiet) == {"Join": "relay"}


def test_tags_without_a_handler_are_told() -> None:
    class Chat:
        schema = Join | Say

    assert compile_dispatch(Chat).unhandled == ["join", "say"]


def test_annotations_of_handlers_are_never_evaluated() -> None:
    class Chat:
        schema = Say

        async def on_say(self, ws: "no such name", message: "1 / 0") -> "Nothing": ...  # type: ignore # noqa: F722, F821, PGH003

    assert handlers(Chat) == {"Say": "on_say"}


@pytest.mark.parametrize("name", sorted(LIFECYCLE))
def test_a_tag_of_the_lifecycle_needs_a_decorated_handler(name: str) -> None:
    tag = name.removeprefix("on_")

    async def lifecycle_method(self: object, ws: object, message: object) -> None: ...

    chat = type("Chat", (), {"schema": lifecycle(tag), name: lifecycle_method})

    assert compile_dispatch(chat).unhandled == [tag]


@pytest.mark.parametrize("name", sorted(LIFECYCLE))
def test_a_decorated_method_handles_a_tag_of_the_lifecycle(name: str) -> None:
    tag = name.removeprefix("on_")

    @handles_message(tag)
    async def take(self: object, ws: object, message: object) -> None: ...

    chat = type("Chat", (), {"schema": lifecycle(tag), "take": take})

    assert handlers(chat) == {tag: "take"}


@pytest.mark.parametrize("name", sorted(LIFECYCLE))
def test_a_lifecycle_method_cannot_be_a_handler(name: str) -> None:
    @handles_message("say")
    async def both(self: object, ws: object, message: object) -> None: ...

    with pytest.raises(HandlerError, match=rf"Chat\.{name} belongs to the lifecycle"):
        compile_dispatch(type("Chat", (), {"schema": Say, name: both}))


@pytest.mark.parametrize("tag", [True, None, 1.5, b"say", len])
def test_the_decorator_needs_a_tag(tag: Any) -> None:
    with pytest.raises(HandlerError, match="a tag is a str or an int"):
        handles_message(tag)


def test_a_decorated_handler_of_an_unknown_tag_is_refused_with_the_nearest() -> None:
    class Chat:
        schema = Join | Say

        @handles_message("sayy")
        async def relay(self, ws: object, message: object) -> None: ...

    with pytest.raises(HandlerError) as caught:
        compile_dispatch(Chat)

    assert str(caught.value) == (
        "Chat.relay handles the tag 'sayy', which the schema does not declare; it declares "
        "'join', 'say'.\n"
        "Hint: did you mean 'say'? async def on_say(self, ws, message): ..."
    )


def test_a_conventional_handler_of_an_unknown_tag_is_refused() -> None:
    class Chat:
        schema = Join | Say

        async def on_whisper(self, ws: object, message: object) -> None: ...

    with pytest.raises(HandlerError, match=r"Chat\.on_whisper .* 'whisper'.*\nHint: add a Struct"):
        compile_dispatch(Chat)


def test_two_handlers_of_one_tag_are_refused() -> None:
    class Chat:
        schema = Say

        async def on_say(self, ws: object, message: object) -> None: ...

        @handles_message("say")
        async def relay(self, ws: object, message: object) -> None: ...

    with pytest.raises(HandlerError, match=r"Chat has two handlers for the tag 'say': relay and"):
        compile_dispatch(Chat)


def test_a_name_that_fits_two_tags_is_refused() -> None:
    class Chat:
        schema = msgspec.defstruct("A", [], tag="user-joined") | msgspec.defstruct(  # type: ignore[operator]
            "B", [], tag="userJoined"
        )

        async def on_user_joined(self, ws: object, message: object) -> None: ...

    with pytest.raises(HandlerError, match="'user-joined' and 'userJoined' share that name"):
        compile_dispatch(Chat)


def test_a_plain_function_is_no_handler() -> None:
    class Chat:
        schema = Say

        def on_say(self, ws: object, message: object) -> None: ...

    with pytest.raises(HandlerError, match=r"Chat\.on_say .* is not a coroutine function"):
        compile_dispatch(Chat)


def test_an_async_generator_is_no_handler() -> None:
    class Chat:
        schema = Say

        async def on_say(self, ws: object, message: object) -> Any:
            yield

    with pytest.raises(HandlerError, match="without yield"):
        compile_dispatch(Chat)


def test_a_wrapped_coroutine_function_is_a_handler() -> None:
    def logged(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(function)
        def wrapper(*args: object) -> Awaitable[None]:
            return function(*args)

        return wrapper

    class Chat:
        schema = Say

        @logged
        async def on_say(self, ws: object, message: object) -> None: ...

    assert handlers(Chat) == {"Say": "on_say"}


def test_a_plain_function_in_an_async_wrapper_is_a_handler() -> None:
    def in_thread(function: Callable[..., None]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(function)
        async def wrapper(*args: object) -> None:
            function(*args)

        return wrapper

    class Chat:
        schema = Say

        @in_thread
        def on_say(self, ws: object, message: object) -> None: ...

    assert handlers(Chat) == {"Say": "on_say"}


def test_what_is_not_callable_is_no_handler() -> None:
    class Chat:
        schema = Say
        on_say = 7

    assert handlers(Chat) == {}


def test_a_subclass_may_narrow_the_schema_that_it_inherits() -> None:
    class Chat:
        schema = Join | Say

        async def on_say(self, ws: object, message: object) -> None: ...

        async def on_join(self, ws: object, message: object) -> None: ...

    Chat._dispatch = compile_dispatch(Chat)  # type: ignore[attr-defined]

    class Quiet(Chat):
        schema = Join  # type: ignore[assignment]

    assert handlers(Quiet) == {"Join": "on_join"}


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("say", "say"),
        ("userJoined", "user_joined"),
        ("UserJoined", "user_joined"),
        ("HTTPError", "http_error"),
        ("user.joined", "user_joined"),
        ("user-joined!", "user_joined"),
        ("v2Say", "v2_say"),
        (7, "7"),
    ],
)
def test_tags_are_written_in_snake_case(tag: str | int, name: str) -> None:
    assert snake_case(tag) == name


def test_a_signature_for_a_tag_of_the_lifecycle_is_decorated() -> None:
    assert signature_for("connect").startswith("@handles_message('connect') async def handle_")


@given(
    tags=st.one_of(
        st.lists(st.text(), min_size=1, max_size=6, unique=True),
        st.lists(st.integers(-(2**31), 2**31), min_size=1, max_size=6, unique=True),
    ),
    tag_field=st.text(min_size=1, max_size=5),
    array_like=st.booleans(),
    binary=st.booleans(),
)
def test_every_shape_of_schema_reaches_the_handler_of_its_tag(
    tags: list[Any],
    tag_field: str,
    array_like: bool,  # noqa: FBT001
    binary: bool,  # noqa: FBT001
) -> None:
    structs = [
        msgspec.defstruct(f"S{n}", [], tag=tag, tag_field=tag_field, array_like=array_like)
        for n, tag in enumerate(tags)
    ]

    def method(tag: Any) -> Any:
        @handles_message(tag)
        async def handler(self: object, ws: object, message: object) -> None: ...

        return handler

    methods = {f"take_{n}": method(tag) for n, tag in enumerate(tags)}
    chat = type("Chat", (), {"schema": Union[tuple(structs)]} | methods)  # noqa: UP007
    dispatch = compile_dispatch(chat)

    for n, struct in enumerate(structs):
        frame: str | bytes = msgspec.json.encode(struct())
        message = dispatch.decode(frame if binary else frame.decode())  # type: ignore[union-attr]
        assert dispatch.handlers[type(message)] == f"take_{n}"


def test_a_generic_message_reaches_its_handler() -> None:
    class Chat:
        schema = Envelope[int]

        async def on_envelope(self, ws: object, message: object) -> None: ...

    dispatch = compile_dispatch(Chat)

    message = dispatch.decode('{"type":"envelope","payload":7}')

    assert dispatch.handlers[type(message)] == "on_envelope"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("", "not_json"),
        ("nope", "not_json"),
        ("NaN", "not_json"),
        ('{"type":"say"', "not_json"),
        ('{"type":"say","text":"a","ratio":NaN}', "not_json"),
        ('{"type":"say","text":"\\ud800"}', "not_json"),
        (b'{"type":"say","text":"\xff"}', "bad_utf8"),
        ('{"type":"say","text":"\ud800"}', "bad_utf8"),
        (b'{"type":"say","text":"\xed\xa0\x80"}', "bad_utf8"),
        ('{"type":"say","zz":' + DEEP, "too_deep"),
        ('{"type":"say","text":"a","extra":' + DEEP, "too_deep"),
        (DEEP, "validation"),
        ("[]", "validation"),
        ("null", "validation"),
        ('{"type":"say"}', "validation"),
        ('{"type":"say","text":1}', "validation"),
        ('{"type":"strict","more":1}', "validation"),
        ('{"type":"say","text":"a","n":' + "9" * 10_000 + "}", "validation"),
        ('{"type":"say","text":"a","extra":' + "9" * 10_000 + "}", "validation"),
        ('{"type":"say","type":"join","text":"a"}', "validation"),
        ('{"type":' + "9" * 10_000 + "}", "validation"),
        ("{}", "unknown_tag"),
        ('{"type":"zz"}', "unknown_tag"),
        ('{"type":null}', "unknown_tag"),
        ('{"type":[]}', "unknown_tag"),
        ('{"type":true}', "unknown_tag"),
        ('{"type":"say","text":"a","type":"zz"}', "unknown_tag"),
        ("x" * 2**20, "not_json"),
    ],
)
def test_a_bad_frame_has_a_reason(frame: str | bytes, reason: str) -> None:
    assert refusal(frame).reason == reason


def test_a_frame_that_fails_the_schema_says_where() -> None:
    error = refusal('{"type":"say","text":1}')

    assert (error.path, error.detail) == ("$.text", "Expected `str`, got `int`")


def test_an_unknown_tag_is_found_at_the_tag_field() -> None:
    assert refusal('{"type":"zz"}').path == "$.type"


def test_a_value_error_in_post_init_is_a_failed_validation() -> None:
    assert refusal('{"type":"boom","text":"ValueError"}').reason == "validation"


@pytest.mark.parametrize("name", sorted(set(ERRORS) - {"ValueError"}))
def test_any_other_error_in_post_init_is_an_error_of_the_schema(name: str) -> None:
    error = refusal(f'{{"type":"boom","text":"{name}"}}')

    assert error.reason == "schema_error"
    assert isinstance(error.__cause__, ERRORS[name])


def test_an_error_that_no_frame_explains_is_an_error_of_the_schema() -> None:
    assert explain(SCHEMA, "{}", MemoryError("no more")).reason == "schema_error"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [("[]", "unknown_tag"), ('["zz"]', "unknown_tag"), ('["pair","x"]', "validation")],
)
def test_the_tag_of_an_array_is_its_first_element(frame: str, reason: str) -> None:
    schema = read_schema(Pair, "Chat")
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(frame, type=Pair)

    assert explain(schema, frame, caught.value).reason == reason


def test_a_true_tag_is_not_the_tag_one() -> None:
    one = msgspec.defstruct("One", [], tag=1)
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode('{"type":true}', type=one)

    assert explain(read_schema(one, "Chat"), "{}", caught.value).reason == "unknown_tag"


@given(
    st.one_of(
        st.text(st.characters()),
        st.binary(),
        st.dictionaries(st.sampled_from(["type", "text", "n", "room"]), st.text() | st.none()).map(
            msgspec.json.encode
        ),
    )
)
def test_any_frame_is_a_message_or_has_a_reason(frame: str | bytes) -> None:
    try:
        kind = type(decode(frame))
    except Exception as error:  # noqa: BLE001 - whatever it is must be explained
        kind = type(explain(SCHEMA, frame, error))

    assert kind in {*SCHEMA.types.values(), InvalidMessage}


def test_decorating_leaves_the_function_as_it_is() -> None:
    async def relay() -> None: ...

    assert handles_message("say")(relay) is relay
    assert inspect.iscoroutinefunction(relay)
