"""An example of each message, which msgspec decodes."""

import datetime as dt
import enum
from typing import Annotated
from typing import Any
from typing import Literal

import msgspec
import pytest
from msgspec import inspect
from msgspec import Meta
from msgspec import Struct

from falcon_pachinko.asyncapi import examples
from falcon_pachinko.errors import DocumentError
from tests.strategies.shapes import Checked
from tests.strategies.shapes import FIELDS
from tests.strategies.shapes import Kind
from tests.strategies.shapes import of
from tests.strategies.shapes import SHAPES


def examples_of(annotation):
    return examples.examples_of(inspect.type_info(annotation), annotation)


def example(annotation):
    found = examples_of(of(annotation))
    return found[0]["value"] if found else None


@pytest.mark.parametrize("name", FIELDS)
def test_a_type_of_any_kind_has_an_example(name):
    message = of(FIELDS[name])

    [found] = examples_of(message)

    assert msgspec.json.decode(msgspec.json.encode(found), type=message)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[set[bool], Meta(min_length=3)],
        Annotated[set[Annotated[str, Meta(pattern="a+")]], Meta(min_length=2)],
        Annotated[set[dt.date], Meta(min_length=2)],
        Annotated[dict[Literal["a"], int], Meta(min_length=2)],
        Annotated[str, Meta(pattern=r"(a)\1$")],
    ],
)
def test_what_cannot_be_guessed_has_none(annotation):
    assert example(annotation) is None


@pytest.mark.parametrize(
    "schema", [schema for schema in SHAPES.values() if isinstance(schema, type)]
)
def test_an_example_is_the_same_each_time(schema):
    assert examples_of(schema) == examples_of(schema)


def test_what_its_author_wrote_is_the_example():
    class Say(Struct, tag="say"):
        text: str

    message = Annotated[Say, Meta(examples=[{"text": "hi"}, Say("ho")])]

    assert examples_of(message) == [{"type": "say", "text": "hi"}, {"type": "say", "text": "ho"}]


def test_what_its_author_wrote_is_an_error_if_it_is_none():
    class Say(Struct, tag="say"):
        text: str

    message = Annotated[Say, Meta(examples=[{"text": "hi"}, {"text": 1}])]

    with pytest.raises(
        DocumentError, match=r"The example {'text': 1} of Say is none: Expected `str`"
    ):
        examples_of(message)


def test_what_its_author_wrote_is_not_judged_where_only_the_application_knows_a_type():
    class Money:
        pass

    class Pay(Struct, tag="pay"):
        price: Money

    message = Annotated[Pay, Meta(examples=[{"price": "5 EUR"}])]

    assert examples_of(message) == [{"type": "pay", "price": "5 EUR"}]


def test_an_example_that_the_code_of_a_struct_refuses_is_none():
    class Never(Struct, tag="never"):
        def __post_init__(self):
            raise ValueError("never")

    assert examples_of(Never) == []


def test_an_example_has_the_examples_of_its_fields():
    assert example(Annotated[str, Meta(examples=["tea"])]) == "tea"


def test_an_example_has_the_defaults_of_its_fields():
    class Say(Struct, tag="say"):
        text: str = "hi"
        odd: Any = object()
        when: Annotated[str, Meta(examples=["now"])] = "later"

    assert examples_of(Say) == [{"type": "say", "text": "hi", "odd": "anything", "when": "now"}]


def test_a_default_that_nobody_may_send_is_no_example():
    class Page(Struct, tag="page"):
        low: Annotated[int, Meta(ge=1)] = 0
        high: Annotated[int, Meta(ge=1)] = 9

    assert examples_of(Page) == [{"type": "page", "low": 1, "high": 9}]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Annotated[int, Meta(lt=0)], -1),
        (Annotated[int, Meta(le=-7, multiple_of=7)], -14),
        (Annotated[int, Meta(gt=3)], 4),
        (Annotated[float, Meta(gt=0, lt=1)], 0.5),
        (Annotated[float, Meta(gt=-1, lt=1)], 0),
        (Annotated[str, Meta(min_length=7)], "texttex"),
        (Annotated[str, Meta(max_length=3)], "tex"),
        (Annotated[bytes, Meta(max_length=1)], "YQ=="),
        (Annotated[bytes, Meta(min_length=4)], "YWFhYQ=="),
        (Annotated[list[int], Meta(max_length=0)], []),
        (Annotated[list[int], Meta(min_length=2)], [0, 0]),
        (Annotated[set[int], Meta(min_length=3)], [0, 1, 2]),
        (Annotated[set[Annotated[int, Meta(lt=1)]], Meta(min_length=3)], [0, -1, -2]),
        (Annotated[frozenset[float], Meta(min_length=5)], [0, 1, 2, -1, -2]),
        (Annotated[set[str], Meta(min_length=3)], ["text", "text2", "text3"]),
        (Annotated[set[Annotated[str, Meta(max_length=3)]], Meta(min_length=2)], ["tex", "ex2"]),
        (Annotated[set[Annotated[int, Meta(examples=[7])]], Meta(min_length=2)], [7, 0]),
        (Annotated[set[Kind], Meta(min_length=2)], ["cat", "dog"]),
        (Annotated[set[int], Meta(max_length=0)], []),
        (Annotated[dict[str, int], Meta(min_length=2)], {"text": 0, "text2": 0}),
        (Annotated[dict[int, int], Meta(min_length=2)], {"0": 0, "1": 0}),
        (Annotated[dict[str, int], Meta(max_length=0)], {}),
        (Annotated[dt.datetime, Meta(tz=False)], "2024-02-29T12:30:00"),
        (None, None),
        (None | Annotated[int, Meta(gt=3, lt=4)], None),
    ],
)
def test_an_example_keeps_the_bounds_of_its_type(annotation, expected):
    assert example(annotation) == expected


class Loop(Struct, tag="loop"):
    again: "Loop"


class Loops(Struct, tag="loops"):
    again: "list[Loops]"
    named: "dict[str, Loops]"
    either: "Loops | Loop | None"
    some: "Annotated[list[Loops], Meta(min_length=1)] | None" = None
    more: "Annotated[dict[str, Loops], Meta(min_length=1)] | None" = None
    last: "Loop | int" = 0


class Chained(Struct, tag="chained", array_like=True):
    value: int
    rest: "Chained" = None
    more: int = 1


def test_an_example_of_a_flag_is_its_first_member():
    class Bits(enum.Flag):
        ONE_AND_TWO = 3

    assert example(Bits) == 3


def test_what_never_ends_has_no_example():
    assert examples_of(Loop) == []


def test_an_example_of_a_recursive_type_ends():
    assert examples_of(Loops) == [
        {
            "type": "loops",
            "again": [],
            "named": {},
            "either": None,
            "some": None,
            "more": None,
            "last": 0,
        }
    ]


def test_an_array_ends_where_it_would_have_no_end():
    assert examples_of(Chained) == [["chained", 0]]


class Ring(Struct, tag="ring"):
    again: "Ring"


def test_a_union_of_what_never_ends_has_no_example():
    assert example(Loop | Ring) is None


def test_what_never_ends_is_left_out_where_it_may_be():
    class Message(Struct, tag="message"):
        loop: Loop | msgspec.UnsetType = msgspec.UNSET
        more: int = 1

    assert examples_of(Message) == [{"type": "message", "more": 1}]


def test_a_type_that_msgspec_does_not_know_has_no_example():
    assert example(complex) is None


def test_a_field_that_takes_any_object_has_an_example():
    assert example(dict[str, object]) == {"text": "anything"}


def test_a_range_that_no_guess_hits_has_none():
    assert example(Annotated[int, Meta(gt=3, lt=4)]) is None


def test_code_that_accepts_a_guess_is_asked():
    assert examples_of(Checked) == [{"type": "checked", "low": 0, "high": 0}]
