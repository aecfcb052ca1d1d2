"""Values of every type that msgspec knows, and clear words about those that cannot be made."""

import datetime as dt
import decimal
import enum
import fractions
import importlib
import ipaddress
import json
import math
import re
import uuid
from typing import Annotated
from typing import Any
from typing import Literal
from typing import TypedDict

import attrs
import msgspec
import pytest
from hypothesis import find
from hypothesis import given
from hypothesis import Phase
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import inspect
from msgspec import Meta
from msgspec import Struct

from pytest_pachinko import PachinkoUsageError
from pytest_pachinko.strategies import registry
from pytest_pachinko.strategies.schemas import class_of
from pytest_pachinko.strategies.text import narrowed
from pytest_pachinko.strategies.text import width
from pytest_pachinko.strategies.types import annotation_of
from pytest_pachinko.strategies.types import decoder_for
from pytest_pachinko.strategies.types import encode
from pytest_pachinko.strategies.types import register_type
from pytest_pachinko.strategies.types import strategy_of
from pytest_pachinko.strategies.types import to_wire
from pytest_pachinko.strategies.types import variants
from tests.strategies.shapes import Attrs
from tests.strategies.shapes import Box
from tests.strategies.shapes import Cat
from tests.strategies.shapes import Chain
from tests.strategies.shapes import Checked
from tests.strategies.shapes import Colour
from tests.strategies.shapes import Defaults
from tests.strategies.shapes import Dog
from tests.strategies.shapes import FIELDS
from tests.strategies.shapes import Listed
from tests.strategies.shapes import Node
from tests.strategies.shapes import of
from tests.strategies.shapes import Ordered
from tests.strategies.shapes import Pair
from tests.strategies.shapes import Plain
from tests.strategies.shapes import Point
from tests.strategies.shapes import Renamed
from tests.strategies.shapes import Strict
from tests.strategies.shapes import StrictList
from tests.strategies.shapes import Tree
from tests.strategies.shapes import Unset

SIMPLEST = settings(
    database=None, deadline=None, max_examples=2000, phases=[Phase.generate, Phase.shrink]
)


class Nobody(Struct, tag="nobody"):
    there: "Nowhere"  # noqa: F821


class Inside(Struct):
    when: "str | dt.datetime"


class Outside(Struct, tag="outside"):
    fine: int
    many: list[Inside]


class Unending(Struct, tag="unending"):
    inner: "Unending"


class Either(Struct, tag="either"):
    inner: "Other | Either"


class Other(Struct, tag="other"):
    inner: "tuple[Either, int]"


class Holds(Struct, tag="holds"):
    inside: list[Either]


class Seed(Struct, frozen=True):
    within: "frozenset[Seed]" = frozenset()


class Shrub(Struct, tag="shrub", array_like=True):
    twigs: "list[Shrub]" = []
    age: int = 0
    names: "dict[str, Shrub]" = {}


class Never(Struct, tag="never"):
    x: int

    def __post_init__(self) -> None:
        raise ValueError("no")


class Nothing(Struct, tag="nothing"):
    def __post_init__(self) -> None:
        raise RuntimeError("no")


class Vast(enum.Enum):
    ONE = "one"
    TWO = "two"


class Opaque:
    pass


class Silent:
    def __init__(self, x):
        self.x = x


def values_of(annotation, *, wire=False, pool=None):
    return strategy_of(inspect.type_info(annotation), wire=wire, path="Say.text", pool=pool)


def simplest(annotation, condition=lambda _: True, **kwargs):
    return find(values_of(annotation, **kwargs), condition, settings=SIMPLEST)


def drawn(annotation, examples=100, **kwargs):
    """Draw values, with all health checks."""
    found = []

    @settings(max_examples=examples, database=None, deadline=None)
    @given(values_of(annotation, **kwargs))
    def draw(value):
        found.append(value)

    draw()
    return found


def refusal(annotation, *, wire=False) -> str:
    with pytest.raises(PachinkoUsageError) as caught:
        values_of(annotation, wire=wire)
    return str(caught.value)


@pytest.mark.parametrize("name", FIELDS)
def test_an_annotation_is_made_again_of_what_msgspec_says_of_it(name) -> None:
    (message,) = variants(of(FIELDS[name]))
    info = message.fields[0].type

    again = inspect.type_info(annotation_of(info))

    # A class is described by all that is in it, which may be itself.
    assert repr(again) == repr(_without_metadata(info))


def _without_metadata(info):
    return info.type if isinstance(info, inspect.Metadata) else info


# What cannot be made.


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Annotated[int, Meta(ge=5, le=3)], "Say.text: no value has ge=5, le=3."),
        (Annotated[int, Meta(gt=1, lt=9, multiple_of=10)], "gt=1, lt=9, multiple_of=10"),
        (Annotated[float, Meta(gt=1, lt=1)], "gt=1, lt=1"),
        (Annotated[float, Meta(ge=3, le=2)], "ge=3, le=2"),
        (Annotated[float, Meta(gt=1, le=1.2, multiple_of=0.5)], "gt=1, le=1.2, multiple_of=0.5"),
        (Annotated[float, Meta(ge=5, le=5.2, multiple_of=0.1)], "ge=5, le=5.2, multiple_of=0.1"),
        (list[Annotated[str, Meta(min_length=5, max_length=3)]], "Say.text[...]: no value has"),
        (Annotated[bytes, Meta(min_length=5, max_length=3)], "min_length=5, max_length=3"),
        (Annotated[list[int], Meta(min_length=5, max_length=3)], "min_length=5, max_length=3"),
        (Annotated[str, Meta(pattern="^ab$", min_length=9)], "no string of 9 or more characters"),
        (Annotated[str, Meta(pattern="^a{9}|b{9}", max_length=3)], "no string of 0 to 3 charac"),
        (Annotated[str, Meta(pattern="^(?!a)(?!b)[ab]$")], "hardly a string is found"),
        (Annotated[str, Meta(pattern="a^b")], "is found that matches pattern='a^b'"),
        (Annotated[str, Meta(pattern="$a")], "hardly a string is found"),
        (Annotated[str, Meta(pattern=r"x\Zy")], "hardly a string is found"),
        (Annotated[str, Meta(pattern=r"\bx\B")], "hardly a string is found"),
        (Annotated[str, Meta(pattern="^(?!)$")], "hardly a string is found"),
        (Annotated[str, Meta(pattern="(?:[^\\s\\S])a")], "hardly a string is found"),
        (list[msgspec.msgpack.Ext], "Say.text[...]: JSON has no Ext."),
        (dict[tuple[int, int], int], "Say.text: JSON has no tuple as a key."),
        (dict[bool, int], "JSON has no bool as a key."),
        (Annotated[set[bool], Meta(min_length=3)], "there are only 2 different ones"),
        (Annotated[dict[Literal[1], int], Meta(min_length=2)], "a key of Say.text: min_length=2"),
        (set[list[int]], "Say.text[...]: it has to be hashable"),
        (set[Point], "it has to be hashable"),
        (set[tuple[int, Plain]], "it has to be hashable"),
        (Annotated[int, Meta(examples=["x"])], "Say.text: the example 'x' is not a value"),
        (Silent, "Say.text: msgspec and Hypothesis do not know Silent."),
        (Opaque, "Opaque(str(value)) is not the value for"),
        (Unending, "Say.text: each Unending needs another one in it"),
        (Holds, "Say.text.inside[...]: each Either needs another one in it"),
        (Never, "Say.text: Never refuses nearly all values"),
    ],
)
@pytest.mark.parametrize("wire", [False, True])
def test_a_type_without_values_is_an_error_that_names_the_field(annotation, text, wire) -> None:
    assert text in refusal(annotation, wire=wire)


def test_a_class_whose_constructor_always_breaks_has_no_instances() -> None:
    assert "Nothing refuses nearly all values" in refusal(Nothing)


def test_an_error_says_what_to_do() -> None:
    assert "strategies.register_type(Never, strategy)" in refusal(Never)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (None, "None: it has no members"),
        ((), "it has no members"),
        (Point, "Point has no tag"),
        (int, "int is neither a Struct nor a resource"),
        (Cat | int, "it contains int, which is no tagged Struct"),
        (Nobody, "Nobody.there: msgspec cannot read its type: name 'Nowhere' is not defined"),
        (Cat | Outside, "Outside.many.when: msgspec cannot read its type"),
        (Literal[()], "msgspec cannot read its type"),
    ],
)
def test_what_is_no_union_of_tagged_structs_is_an_error_that_says_why(schema, text) -> None:
    with pytest.raises(PachinkoUsageError, match=re.escape(text)):
        variants(schema)


def test_the_variants_of_a_union_come_as_declared() -> None:
    assert [info.cls for info in variants(Dog | Cat)] == [Dog, Cat]


def test_a_resource_stands_for_its_schema() -> None:
    class Resource:
        schema = Cat | Dog

    assert [info.cls for info in variants(Resource)] == [Cat, Dog]
    assert decoder_for(Resource) is decoder_for(Cat | Dog)


def test_an_enum_that_msgspec_does_not_encode_as_a_key_is_an_error(monkeypatch) -> None:
    def refuse(_):
        raise TypeError("Only dicts with str-like or number-like keys are supported")

    monkeypatch.setattr("pytest_pachinko.strategies.types.encode", refuse)

    assert "does not encode Vast as a key" in refusal(dict[Vast, int])


# What is made.


def test_the_simplest_values_are_simple() -> None:
    assert simplest(int | None) is None
    assert simplest(Node) == Node(0)
    assert simplest(Defaults).c == {"x": 1}
    assert simplest(Tree) == Tree([])
    assert simplest(Chain, lambda chain: chain.rest is not None) == Chain(0, Chain(0))


def test_the_simplest_wire_data_has_required_fields_only_in_the_declared_order() -> None:
    assert list(simplest(Renamed, wire=True).items()) == [("type", "renamed"), ("userName", "")]
    assert simplest(Listed, wire=True) == ["listed", 0]
    assert simplest(Pair, wire=True) == [0]


def test_wire_data_has_keys_in_any_order() -> None:
    found = simplest(Renamed, lambda value: list(value)[-1] == "type", wire=True)

    assert found == {"userName": "", "type": "renamed"}


def test_wire_data_has_fields_that_a_struct_does_not_know() -> None:
    assert simplest(Renamed, lambda value: "user_name" in value, wire=True)
    assert len(simplest(Listed, lambda value: len(value) > 4, wire=True)) == 5


def test_a_strict_struct_is_sent_no_fields_that_it_does_not_know() -> None:
    assert all(set(value) <= {"type", "point", "count"} for value in drawn(Strict, wire=True))
    assert all(len(value) <= 3 for value in drawn(StrictList, wire=True))


def test_wire_data_has_explicit_nulls() -> None:
    assert simplest(Node, lambda value: "next" in value, wire=True)["next"] is None


def test_fields_of_an_array_are_absent_at_its_end_only() -> None:
    assert {len(value) for value in drawn(Ordered, wire=True)} >= {3}
    assert all(len(value) >= 3 for value in drawn(Ordered, wire=True))


def test_an_unset_field_is_an_absent_one() -> None:
    assert simplest(Unset) == Unset()
    assert simplest(Unset, lambda value: value.a is not msgspec.UNSET).a == 0


def test_a_default_that_breaks_its_own_constraint_is_not_sent() -> None:
    assert all(value.f for value in drawn(Defaults))


def test_a_default_that_is_another_each_time_is_not_used() -> None:
    class Stamped(Struct):
        at: dt.datetime = msgspec.field(default_factory=lambda: dt.datetime.now(dt.UTC))
        one: Any = msgspec.field(default_factory=object)

    assert simplest(Stamped).at == dt.datetime(2000, 1, 1)  # noqa: DTZ001


def test_a_default_factory_that_breaks_is_not_used() -> None:
    def broken():
        raise RuntimeError

    class Fragile(Struct):
        items: list[int] = msgspec.field(default_factory=broken)

    assert simplest(Fragile) == Fragile([])


def test_integral_floats_are_sent_as_integers_unless_a_union_has_integers() -> None:
    assert json.dumps(simplest(float, wire=True)) == "0"
    assert isinstance(simplest(int | float, lambda value: type(value) is float, wire=True), float)
    assert simplest(float, lambda value: value > 2**60, wire=True) > 2**60


def test_a_literal_that_another_member_makes_invalid_is_not_made() -> None:
    annotation = Literal["a"] | Annotated[str, Meta(min_length=5)]

    assert all(len(value) >= 5 for value in drawn(annotation))


def test_multiples_of_a_float_are_those_that_msgspec_takes() -> None:
    for meta in (
        Meta(multiple_of=0.1, ge=0),
        Meta(multiple_of=0.25, gt=-1, lt=1),
        Meta(multiple_of=0.5, ge=1e17),
        Meta(multiple_of=7),
        Meta(multiple_of=0.5, lt=-1e17),
    ):
        decode = msgspec.json.Decoder(Annotated[float, meta]).decode
        for value in drawn(Annotated[float, meta]):
            decode(encode(value))


def test_examples_of_the_metadata_are_used() -> None:
    annotation = Annotated[dt.date, Meta(examples=["2020-02-29"])]

    assert dt.date(2020, 2, 29) in drawn(annotation)
    assert "2020-02-29" in drawn(annotation, wire=True)


def test_an_example_of_a_tagged_struct_may_leave_the_tag_out() -> None:
    annotation = Annotated[Cat, Meta(examples=[{"lives": 7}])] | Dog

    assert simplest(annotation, lambda value: value.get("lives") == 7, wire=True)["type"] == "cat"


def test_recursion_ends_where_it_can() -> None:
    def depth(value):
        return 1 + max((depth(twig) for twig in value.twigs), default=0)

    found = drawn(Shrub)

    assert 2 < max(map(depth, found)) < 6
    assert simplest(Shrub) == Shrub()


def test_a_set_may_hold_what_may_hold_a_set_of_it() -> None:
    assert simplest(Seed, lambda seed: seed.within) == Seed(frozenset({Seed()}))


def test_a_list_in_a_list_has_few_items() -> None:
    assert all(len(inner) <= 6 for outer in drawn(list[list[int]]) for inner in outer)


def test_long_values_are_made_of_short_ones() -> None:
    assert len(simplest(Annotated[str, Meta(min_length=5000, max_length=5001)])) == 5000
    assert len(simplest(Annotated[list[int], Meta(min_length=500)])) == 500
    assert len(simplest(Annotated[tuple[int, ...], Meta(min_length=500, max_length=500)])) == 500


def test_an_empty_container_is_of_its_kind() -> None:
    assert simplest(Annotated[set[int], Meta(max_length=0)]) == set()
    assert simplest(Annotated[dict[str, int], Meta(max_length=0)]) == {}
    assert simplest(Annotated[set[int], Meta(max_length=0)], wire=True) == []


def test_what_constructors_do_not_take_is_left_to_them() -> None:
    assert simplest(Plain) == Plain(0)
    assert simplest(Attrs) == Attrs(0)


def test_what_a_post_init_refuses_is_not_made() -> None:
    assert all(value.low <= value.high for value in drawn(Checked))
    assert all(value["low"] <= value["high"] for value in drawn(Checked, wire=True))


def test_a_class_that_refuses_values_can_be_met_within_a_test() -> None:
    class Late(Struct, tag="late"):
        x: int

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError

    @settings(max_examples=5, database=None, deadline=None)
    @given(st.data())
    def examine(data):
        assert data.draw(values_of(Late)).x >= 0

    examine()


def test_attrs_that_convert_are_tried() -> None:
    @attrs.define
    class Converted:
        x: int = attrs.field(converter=abs)

    assert all(value.x >= 0 for value in drawn(Converted))


# Patterns with lengths.


@pytest.mark.parametrize(
    ("pattern", "low", "high", "text"),
    [
        ("^[a-z]+$", 20, 30, "^[a-z]{20,30}$"),
        ("^[0-9a-f]*$", 64, 64, "^[0-9a-f]{64,64}$"),
        ("^(?:[0-9a-f]{2})+$", 64, 64, "^(?:[0-9a-f]{2}){32,32}$"),
        ("^[a-z]{1,8}[0-9]{,8}$", 12, 16, "^[a-z]{8,8}[0-9]{4,8}$"),
        ("^a{3}b?c{2,}$", 6, math.inf, "^a{3,3}b{1,1}c{2,}$"),
        (r"^[\]()|]{2,}\|x+?$", 8, 9, r"^[\]()|]{6,7}\|x{1,2}$"),
        (r"^(a)\1+$", 3, 9, r"^(a)\1+$"),
        ("^[a-z]+(-[a-z]+)*$", 5, 30, "^[a-z]{5,30}(-[a-z]+)*$"),
        ("^{a}$", 0, 9, "^{a}$"),
    ],
)
def test_quantifiers_are_narrowed_to_a_length(pattern, low, high, text) -> None:
    assert narrowed(pattern, low, high) == text


@pytest.mark.parametrize(
    ("pattern", "low", "high"),
    [
        ("^[0-9a-f]+$", 64, 64),
        ("[0-9]", 20, 25),
        ("^a|b$", 5, 6),
        ("^x", 3, 3),
        ("y$", 3, 3),
        ("x", None, 1),
        ("", 3, 3),
        ("^$", 0, 1),
        (r"\d\b", 4, 4),
        ("^(?=.*[0-9])[a-z0-9]{4,}$", 4, 9),
        (r"^\w+@\w+\.\w{2,}$", 40, 254),
        ("(?i)^abc+$", None, None),
        (r"\b\w+\b", None, None),
        ("$a|b", None, None),
        (r"(a)|(b|c)(d)\2", None, None),
        (r"(?P<x>a)|b(?P=x)", 3, 5),
    ],
)
def test_strings_match_the_pattern_and_have_the_length(pattern, low, high) -> None:
    annotation = Annotated[str, Meta(pattern=pattern, min_length=low, max_length=high)]

    for value in drawn(annotation, examples=50):
        assert re.search(pattern, value)
        assert (low or 0) <= len(value) <= (high or math.inf)


def test_the_parser_of_re_says_how_long_a_match_can_be() -> None:
    """A canary: the parser is not documented."""
    assert hasattr(importlib.import_module("re._parser"), "parse")
    assert width("^a{2,3}b?$") == (2, 4)
    assert width("a+") == (1, math.inf)


# Types of one's own.


def test_a_registered_type_is_made_and_crosses_the_wire_as_it_says() -> None:
    class Money:
        def __init__(self, cents):
            self.cents = cents

    register_type(
        Money,
        st.integers(1, 9).map(Money),
        encode=lambda money: money.cents,
        decode=lambda cents: Money(int(cents)),
    )
    schema = of(list[Money])

    assert all(money.cents in range(1, 10) for list_ in drawn(list[Money]) for money in list_)
    assert simplest(Money, wire=True) == 1
    assert decoder_for(schema).decode(encode(schema([Money(3)]))).value[0].cents == 3
    assert to_wire(schema([Money(3)])) == {"type": "message", "value": [3]}


def test_a_registered_type_crosses_the_wire_as_text_by_default() -> None:
    class Name:
        def __init__(self, text):
            self.text = text

        def __str__(self):
            return self.text

    register_type(Name, st.sampled_from(["ann", "bob"]).map(Name))

    assert simplest(Name, wire=True) == "ann"
    assert decoder_for(Name).decode('"bob"').text == "bob"


def test_a_registered_struct_is_made_as_it_says() -> None:
    class Special(Struct, tag="special"):
        x: int

        def __post_init__(self) -> None:
            if self.x != 123456:
                raise ValueError

    assert "register_type(Special, strategy)" in refusal(Special)
    register_type(Special, st.just(Special(123456)))

    assert simplest(list[Special], lambda value: value) == [Special(123456)]
    assert simplest(Special, wire=True) == {"type": "special", "x": 123456}


def test_a_registered_class_of_the_standard_library_is_used_where_nothing_constrains_it(
    monkeypatch,
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    register_type(dt.datetime, st.just(dt.datetime(2024, 2, 29)))  # noqa: DTZ001

    assert {value.year for value in drawn(dt.datetime)} == {2024}
    assert len(set(drawn(Annotated[dt.datetime, Meta(tz=True)]))) > 1


def test_a_type_of_which_hypothesis_knows_needs_no_registration() -> None:
    assert simplest(ipaddress.IPv4Address | None, lambda value: value) is not None
    assert simplest(frozenset[fractions.Fraction], len, wire=True) == ["0"]
    assert decoder_for(fractions.Fraction).decode('"1/2"') == fractions.Fraction(1, 2)


def test_a_type_of_which_nobody_knows_is_not_encoded() -> None:
    with pytest.raises(NotImplementedError, match=r"strategies.register_type\(Opaque, ...\)"):
        encode([Opaque()])


@pytest.mark.parametrize(
    ("cls", "strategy", "text"),
    [("Money", st.none(), "takes a class, not 'Money'"), (Opaque, 3, "takes a Hypothesis")],
)
def test_only_a_class_and_a_strategy_can_be_registered(cls, strategy, text) -> None:
    with pytest.raises(PachinkoUsageError, match=text):
        register_type(cls, strategy)


# Pools.


def test_a_pool_is_asked_for_each_value_that_may_be_an_id() -> None:
    class Many(Struct, tag="many"):
        text: str
        number: int
        one: uuid.UUID
        price: decimal.Decimal
        when: dt.datetime
        flag: bool
        weight: float
        colour: Colour
        items: list[Annotated[int, Meta(ge=5)]]
        table: dict[str, float]

    asked = []

    def pool(info, name, strategy):
        asked.append((name, repr(annotation_of(info))))
        return strategy

    values_of(Many, pool=pool)

    assert [name for name, _ in asked] == [
        "text",
        "number",
        "one",
        "price",
        "when",
        "items",
        "table",
    ]
    assert "ge=5" in asked[5][1]


def test_a_pool_decides_on_instances_before_they_are_wire_data() -> None:
    one = uuid.UUID(int=1)

    found = drawn(Box[uuid.UUID], wire=True, pool=lambda *_: st.just(one))

    assert {value["content"] for value in found} == {str(one)}


def test_the_class_of_a_type_with_constraints_is_none() -> None:
    assert class_of(inspect.StrType()) is str
    assert class_of(inspect.StrType(min_length=1)) is None


class Branch(TypedDict, total=False):
    name: str
    left: "Branch"


def test_fields_of_a_typed_dict_lead_out_of_recursion() -> None:
    assert simplest(Branch) == {}
    assert any("left" in value for value in drawn(Branch))
