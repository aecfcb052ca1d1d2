"""What msgspec accepts and what a document's schemas accept is the same."""

import datetime as dt
import decimal
import enum
import json
import uuid
from typing import Annotated
from typing import Any
from typing import Generic
from typing import Literal
from typing import NewType
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import Meta
from msgspec import Struct

from falcon_pachinko.asyncapi.limits import LIMITS
from falcon_pachinko.asyncapi.limits import NOTE
from falcon_pachinko.errors import DocumentError
from pytest_pachinko.strategies import invalid_frames
from pytest_pachinko.strategies import wire_messages
from pytest_pachinko.strategies.invalid import sweep_invalid
from tests.asyncapi.judging import document_of
from tests.asyncapi.judging import Judge
from tests.strategies.shapes import Cat
from tests.strategies.shapes import Dog
from tests.strategies.shapes import Level
from tests.strategies.shapes import of
from tests.strategies.shapes import SHAPES

T = TypeVar("T")
few = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
for_each_shape = pytest.mark.parametrize("schema", SHAPES.values(), ids=SHAPES)


def unexplained(judge, frame):
    found = judge.differ(frame)
    return found if found is not None and found not in LIMITS else None


@for_each_shape
def test_a_valid_message_of_any_shape_is_accepted_by_its_document(schema):
    judge = Judge(schema)

    @few
    @given(wire_messages(schema))
    def check(message):
        assert unexplained(judge, msgspec.json.encode(message)) is None

    check()


@for_each_shape
def test_an_invalid_message_of_any_shape_is_refused_by_its_document(schema):
    judge = Judge(schema)

    @few
    @given(invalid_frames(schema))
    def check(frame):
        assert unexplained(judge, frame.raw) is None

    check()


@for_each_shape
def test_each_kind_of_invalid_message_of_any_shape_is_refused_by_its_document(schema):
    judge = Judge(schema)

    assert [frame for frame in sweep_invalid(schema) if unexplained(judge, frame.raw)] == []


class Mode(enum.Flag):
    A = 1
    B = 2
    C = 8


class Loose(enum.IntFlag, boundary=enum.KEEP):
    A = 1


class Many(enum.Flag):
    A = 1
    B = 2048


class Double(enum.Flag):
    ONE_AND_TWO = 3


class Ten(enum.Flag):
    LOW = 2**9 - 1
    HIGH = 2**9


class Eleven(enum.Flag):
    LOW = 2**10 - 1
    HIGH = 2**10


class Forgiving(enum.Enum):
    YES = "yes"

    @classmethod
    def _missing_(cls, value):
        return cls.YES


class Given(Struct):
    x: int


TEXTS = st.sampled_from(
    [
        *(
            "",
            "a",
            "1",
            "-0",
            "-1",
            "01",
            "1.5",
            "1e5",
            "inf",
            "-Infinity",
            "nan",
            "null",
            "yes",
            "3",
        ),
        *("2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "0000-01-01", "2024-04-31"),
        *("2024-01-01T00:00:00", "2024-01-01 23:59:59.5z", "2024-01-01T24:00:00Z", "12:30:00+0130"),
        *(
            "P1D",
            "pt1.5s",
            "P1.5DT1H",
            "PT",
            "P",
            "-P1DT2M",
            "P1W",
            "PT1S1M",
            "P1D\n",
            "12:30:00\n",
        ),
        *(
            "YQ==",
            "YQ=",
            "YWJj",
            "YWJj\n",
            " 1 ",
            "1_000",
            "_1",
            ".5",
            "5.",
            ".",
            "sNaN1",
            "_",
            "+1",
        ),
        *("12345678-1234-4678-9234-567812345678", "1234567812344678923456781234567", "0" * 32, "4"),
    ]
)
NUMBERS = st.sampled_from(
    [*range(-4, 13), 2048, 2049, 5.5, 10**20, 2**63, -(10**20), -0.25, True, None]
)
VALUES = st.recursive(
    TEXTS | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
ODD = {
    "flag": Mode,
    "flag that keeps": Loose,
    "flag of many": Many,
    "dict of flags": dict[Loose, int],
    "int or Decimal": Annotated[int, Meta(ge=3)] | decimal.Decimal,
    "float or Decimal": Annotated[float, Meta(ge=3)] | decimal.Decimal,
    "Literal or float": Literal[1, 2] | float,
    "IntEnum or float": Level | float,
    "flag of two bits or float": Double | float,
    "Literal of both": Literal["a", 1] | None,
    "Literal or int": Literal["yes", 1] | int,  # noqa: PYI051
    "Literal of one kind or int": Literal[1] | int | None,  # noqa: PYI051
    "int or Raw": int | msgspec.Raw,
    "dict None": dict[None, int],
    "dict int or None": dict[int | None, int],
    "dict Any": dict[Any, int],
    "object": object,
    "object or None": object | None,
    "dict of object": dict[str, object],
    "dict object": Annotated[dict[object, int], Meta(min_length=1)],
    "set of object": set[object],
    "dict str": dict[Annotated[str, Meta(min_length=1)], int],
    "dict bytes": dict[Annotated[bytes, Meta(min_length=1)], int],
    "dict bounded": dict[Annotated[int, Meta(ge=2)], int],
    "set": Annotated[set[int], Meta(max_length=1)],
    "date": dt.date,
    "datetime": dt.datetime,
    "time": dt.time,
    "timedelta": dt.timedelta,
    "Decimal": decimal.Decimal,
    "UUID": uuid.UUID,
    "bytes": bytes,
    "pattern of Python": Annotated[str, Meta(pattern="(?i)^a")],
    "documented Struct": Annotated[Given, Meta(description="D", examples=[Given(1)])] | None,
}


def is_readable(annotation):
    try:
        msgspec.inspect.type_info(annotation)
    except TypeError:  # msgspec 0.20 does not sort the values of a Literal of several kinds
        return False
    return True


ODD = {name: annotation for name, annotation in ODD.items() if is_readable(annotation)}


@pytest.mark.parametrize("annotation", ODD.values(), ids=ODD)
def test_any_value_is_judged_as_msgspec_does(annotation):
    judge = Judge(of(annotation))

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(VALUES)
    def check(value):
        frame = json.dumps({"type": "message", "value": value})
        assert unexplained(judge, frame) is None

    check()


@pytest.mark.parametrize("boundary", enum.FlagBoundary)
@pytest.mark.parametrize("base", [enum.Flag, enum.IntFlag])
@pytest.mark.parametrize("bits", [(1,), (1, 2), (1, 8), (6,), (5, 6)])
def test_a_flag_takes_the_numbers_that_msgspec_takes(base, bits, boundary):
    flag = base("Bits", [(f"B{bit}", bit) for bit in bits], boundary=boundary)
    judge = Judge(of(flag))
    numbers = [*range(-20, 20), 2**63 - 1, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]
    frames = [json.dumps({"type": "message", "value": number}) for number in numbers]

    assert [judge.differ(frame) for frame in frames] == [None] * len(frames)


@pytest.mark.parametrize("flag", [Ten, Eleven])
def test_the_bounds_of_a_flag_of_many_bits_are_those_of_msgspec(flag):
    judge = Judge(of(flag))
    most = 2 ** flag.HIGH.value.bit_length()
    numbers = [-most - 1, -most, -1, 0, most - 1, most]
    frames = [json.dumps({"type": "message", "value": number}) for number in numbers]

    assert [judge.differ(frame) for frame in frames] == [None] * len(frames)
    assert not judge.notes


def component(document, name):
    return document["components"]["schemas"][name]


def test_the_tag_of_one_struct_alone_is_not_required():
    assert component(document_of(Cat), "Cat")["required"] == ["lives"]


def test_the_tag_of_one_among_several_is_required():
    assert component(document_of(Cat | Dog), "Cat")["required"] == ["type", "lives"]


def test_a_struct_that_is_used_alone_too_needs_its_tag_where_there_are_others():
    class Both(Struct, tag="both"):
        either: Cat | Dog
        one: Cat | None = None

    document = document_of(Both)

    assert component(document, "Cat")["required"] == ["lives"]
    assert component(document, "Both")["properties"]["either"] == {
        "oneOf": [
            {"allOf": [{"$ref": "#/components/schemas/Cat"}, {"required": ["type"]}]},
            {"$ref": "#/components/schemas/Dog"},
        ],
        "discriminator": "type",
    }


def test_what_is_said_beside_a_reference_is_said_around_it():
    class Pet(Struct, tag="pet"):
        cat: Annotated[Cat, Meta(description="Purrs.")] = msgspec.field(
            default_factory=lambda: Cat(9)
        )

    found = component(document_of(Pet), "Pet")["properties"]["cat"]

    assert found == {"allOf": [{"$ref": "#/components/schemas/Cat"}], "description": "Purrs."}


def test_defaults_are_written_where_json_has_them():
    class Defaults(Struct, tag="defaults"):
        colours: frozenset[str] = frozenset({"c", "a", "b"})
        tags: list[str] = []
        names: dict[str, int] = {}
        late: float = float("inf")
        odd: Any = object()
        none: int | None = None

    found = component(document_of(Defaults), "Defaults")["properties"]

    assert {name: schema.get("default", "-") for name, schema in found.items()} == {
        "type": "-",
        "colours": ["a", "b", "c"],
        "tags": [],
        "names": {},
        "late": "-",
        "odd": "-",
        "none": None,
    }


def test_structs_that_are_arrays_have_no_discriminator():
    class One(Struct, tag="one", array_like=True):
        x: int

        def __post_init__(self):
            pass

    class Other(Struct, tag="other", array_like=True):
        y: int = 1

    class Pair(Struct, tag="pair"):
        either: One | Other

    schemas = document_of(Pair)["components"]["schemas"]

    assert schemas["Pair"]["properties"]["either"] == {
        "oneOf": [{"$ref": "#/components/schemas/One"}, {"$ref": "#/components/schemas/Other"}]
    }
    assert schemas["One"] == {
        "title": "One",
        "type": "array",
        "items": [{"const": "one"}, {"type": "integer"}],
        "minItems": 2,
        NOTE: ["code"],
    }


def test_two_structs_of_one_name_are_told_apart_by_their_modules():
    one = msgspec.defstruct("Same", [("x", int)], tag="one", module="here")
    other = msgspec.defstruct("Same", [("x", str)], tag="other", module="there")

    assert list(document_of(one | other)["components"]["schemas"]) == ["here.Same", "there.Same"]


def test_two_structs_of_one_name_and_module_are_told_apart_by_the_class_that_they_are_in():
    class One:
        class Same(Struct, tag="one"):
            x: int

    class Other:
        class Same(Struct, tag="other"):
            x: str

    names = list(document_of(One.Same | Other.Same)["components"]["schemas"])

    assert [name.rpartition("_locals_.")[2] for name in names] == ["One.Same", "Other.Same"]


def test_two_structs_that_nothing_tells_apart_are_an_error():
    one = msgspec.defstruct("Same", [("x", int)], tag="one", module="here")
    other = msgspec.defstruct("Same", [("x", str)], tag="other", module="here")

    with pytest.raises(DocumentError, match=r"two types called here\.Same.*\nHint: .*another name"):
        document_of(one | other)


class Box(Struct, Generic[T], tag="box"):
    content: T


def test_a_generic_struct_is_numbered_where_its_arguments_read_alike():
    class Both(Struct, tag="both"):
        one: Box[Literal["a b"]]
        other: Box[Literal["a_b"]]

    names = list(document_of(Both)["components"]["schemas"])

    assert names == ["Both", f"{__name__}.Box_Literal_a_b", f"{__name__}.Box_Literal_a_b_2"]


@pytest.mark.parametrize(
    ("annotation", "error"),
    [
        (
            Annotated[int, "a note", Meta(examples=[1, "two"])],
            "'two' of Say.x is none: Expected `int`, got",
        ),
        (list[Annotated[str, Meta(examples=[5])]] | None, "5 of Say.x is none: Expected `str`"),
        (Annotated[float, Meta(examples=[float("inf")])], "inf of Say.x is none: .* finite"),
        (Annotated[Any, Meta(examples=[object])], "of Say.x is none: .* unsupported"),
        (Annotated[int, Meta(extra_json_schema={"examples": [0.5]})], "0.5 of Say.x is none"),
        (NewType("N", Annotated[int, Meta(examples=[None])]), "None of Say.x is none"),
    ],
)
def test_an_example_that_is_none_is_an_error_that_names_the_field(annotation, error):
    with pytest.raises(DocumentError, match=error):
        document_of(msgspec.defstruct("Say", [("x", annotation)], tag="say"))


def test_an_example_of_a_type_that_only_the_application_knows_is_not_judged():
    price = Annotated[Money, Meta(examples=["5 EUR"], extra_json_schema={"type": "string"})]

    assert document_of(of(price))["components"]["schemas"]["Message"]["properties"]["value"] == {
        "type": "string",
        "examples": ["5 EUR"],
    }


def test_a_generic_struct_is_called_after_its_arguments():
    class Box(Struct, Generic[T], tag="box"):
        content: T

    schema = Box[list[Annotated[Literal["a b"] | int, Meta(description="D")]]]

    assert list(document_of(schema)["components"]["schemas"]) == ["Box_list_Union_Literal_a_b_int"]


def test_a_struct_with_a_name_of_a_scalar_is_not_taken_for_it():
    date = msgspec.defstruct("date", [("on", dt.date)], tag="date")

    assert list(document_of(date)["components"]["schemas"]) == ["date", "date_2"]


class Money:
    pass


def test_a_type_that_nobody_knows_is_an_error_that_says_what_to_write():
    with pytest.raises(DocumentError, match=r"Annotated\[Money, Meta\(extra_json_schema="):
        document_of(of(Money))


def test_a_type_that_msgspec_does_not_know_is_what_its_annotation_says():
    annotation = Annotated[Money, Meta(extra_json_schema={"type": "string"}, title="M")]

    found = component(document_of(of(annotation)), "Message")["properties"]["value"]

    assert found == {"type": "string", "title": "M"}


def test_what_json_has_not_is_an_error():
    with pytest.raises(DocumentError, match="JSON has no Ext"):
        document_of(of(msgspec.msgpack.Ext))


@pytest.mark.parametrize(
    ("annotation", "limit"),
    [
        (Forgiving, "code"),
        (Many, "flags"),
        (Annotated[float, Meta(multiple_of=0.1)], "multiples"),
        (Annotated[set[int], Meta(min_length=2)], "lengths"),
        (Annotated[dict[int, int], Meta(min_length=2)], "lengths"),
        (dict[Annotated[int, Meta(ge=1)], int], "keys"),
        (Annotated[str, Meta(pattern="(?i)a")], "patterns"),
    ],
)
def test_what_a_schema_cannot_say_is_noted_in_it(annotation, limit):
    assert f'"{NOTE}": ["{limit}"]' in json.dumps(document_of(of(annotation)))


class Basket(Struct, frozen=True):
    items: list[int]


@pytest.mark.parametrize(
    ("annotation", "element"),
    [
        (tuple[Any, ...], [[1]]),
        (Basket, {"items": [1]}),
        (Given, {"x": 1}),
        (dict[str, int], {}),
    ],
)
def test_an_element_of_a_set_that_cannot_be_hashed_is_on_the_list(annotation, element):
    judge = Judge(of(set[annotation]))
    frame = json.dumps({"type": "message", "value": [element]})

    assert judge.differ(frame) == "hashes"
    assert "hashes" in LIMITS


def test_a_list_is_bounded_without_a_note():
    document = document_of(of(Annotated[dict[str, int], Meta(min_length=2)]))

    assert NOTE not in json.dumps(document)


def test_the_keys_of_a_type_of_ones_own_may_be_any_text():
    assert component(document_of(of(dict[Money, int])), "Message")["properties"]["value"] == {
        "type": "object",
        "additionalProperties": {"type": "integer"},
    }


def test_a_union_of_keys_that_never_are_has_none():
    found = component(document_of(of(dict[bool | None, int])), "Message")

    assert found["properties"]["value"]["propertyNames"] is False
