"""Messages of a schema: all of them valid, whatever their types."""

from typing import Annotated

import msgspec
import pytest
from hypothesis import find
from hypothesis import given
from hypothesis import Phase
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import Meta
from msgspec import Struct

from pytest_pachinko import PachinkoUsageError
from pytest_pachinko.strategies.boundaries import boundary_messages
from pytest_pachinko.strategies.invalid import invalid_frames
from pytest_pachinko.strategies.messages import example_messages
from pytest_pachinko.strategies.messages import message_variants
from pytest_pachinko.strategies.messages import messages
from pytest_pachinko.strategies.messages import simplest_messages
from pytest_pachinko.strategies.messages import tagged_messages
from pytest_pachinko.strategies.messages import wire_messages
from pytest_pachinko.strategies.streams import message_streams
from pytest_pachinko.strategies.types import decoder_for
from pytest_pachinko.strategies.types import encode
from pytest_pachinko.strategies.types import register_type
from tests.strategies.shapes import Cat
from tests.strategies.shapes import Checked
from tests.strategies.shapes import Dog
from tests.strategies.shapes import Listed
from tests.strategies.shapes import Renamed
from tests.strategies.shapes import SHAPES
from tests.strategies.shapes import Strict

FAST = settings(
    max_examples=2000, database=None, deadline=None, phases=[Phase.generate, Phase.shrink]
)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("make", [tagged_messages, wire_messages])
def test_every_message_is_valid(make, name) -> None:
    """All health checks are on."""
    decode = decoder_for(SHAPES[name]).decode

    @settings(max_examples=30, database=None, deadline=None)
    @given(make(SHAPES[name]))
    def examine(message):
        decode(encode(message))

    examine()


# msgspec does not encode the private field of an attrs class.
@pytest.mark.parametrize("name", sorted({*SHAPES} - {"attrs", "dict int or str"}))
def test_an_instance_is_what_is_decoded_of_it(name) -> None:
    decode = decoder_for(SHAPES[name]).decode

    @settings(max_examples=10, database=None, deadline=None)
    @given(tagged_messages(SHAPES[name]))
    def examine(message):
        assert decode(encode(message)) == message

    examine()


def test_each_tag_is_as_likely_as_the_others() -> None:
    class Named(Struct, tag="named"):
        name: str

    class Other(Struct, tag="other"):
        name: str

    # Each of the branches would be as likely as a tag.
    register_type(Other, st.one_of(*(st.builds(Other, name=st.text()) for _ in range(20))))
    schema = Annotated[Named, Meta(examples=[{"name": "ann"}, {"name": "bob"}])] | Dog | Other
    counts = dict.fromkeys(("named", "dog", "other"), 0)

    @settings(max_examples=300, database=None, deadline=None)
    @given(tagged_messages(schema))
    def examine(message):
        counts[message.__struct_config__.tag] += 1

    examine()

    assert min(counts.values()) > 50


@pytest.mark.parametrize(("schema", "first"), [(Cat | Dog, Cat(1)), (Dog | Cat, Dog(""))])
def test_the_first_that_is_declared_is_the_simplest(schema, first) -> None:
    assert find(tagged_messages(schema), lambda _: True, settings=FAST) == first


def test_the_same_arguments_give_the_same_strategy() -> None:
    def pool(info, name, strategy):
        return strategy

    assert messages(Cat | Dog, wire=True) is messages(Cat | Dog, wire=True)
    assert messages(Cat | Dog, wire=True, pool=pool) is messages(Cat | Dog, wire=True, pool=pool)
    assert messages(Cat | Dog, wire=True) is not messages(Cat | Dog, wire=False)
    assert messages(Cat | Dog, wire=True) is not messages(Dog | Cat, wire=True)


def test_the_messages_of_each_tag_can_be_had_by_themselves() -> None:
    cat, dog = message_variants(Cat | Dog, wire=False)

    assert find(cat, lambda _: True, settings=FAST) == Cat(1)
    assert find(dog, lambda _: True, settings=FAST) == Dog("")


def test_a_registration_changes_the_strategies_that_are_made_after_it() -> None:
    class Bird(Struct, tag="bird"):
        name: str

    before = tagged_messages(Bird)
    register_type(Bird, st.just(Bird("tit")))

    assert find(tagged_messages(Bird), lambda _: True, settings=FAST) == Bird("tit")
    assert find(before, lambda _: True, settings=FAST) == Bird("")


def test_a_resource_stands_for_its_schema() -> None:
    class Resource:
        schema = Cat | Dog

    assert tagged_messages(Resource) is tagged_messages(Cat | Dog)


@pytest.mark.parametrize("schema", [[Cat, Dog], (Cat, Dog), {Cat}, {"cat": Cat}, Cat(1)])
@pytest.mark.parametrize(
    "make", [tagged_messages, wire_messages, invalid_frames, boundary_messages, message_streams]
)
def test_what_is_no_type_is_refused(make, schema) -> None:
    kind = type(schema).__name__

    with pytest.raises(PachinkoUsageError, match=rf": it is a {kind}, and no type\.\nHint: .*\|"):
        make(schema)


def test_the_simplest_messages_come_as_declared() -> None:
    assert simplest_messages(Dog | Cat | Checked) == [Dog(""), Cat(1), Checked(0, 0)]


def test_a_message_is_made_for_each_example_of_the_metadata() -> None:
    class Say(Struct, tag="say"):
        text: Annotated[str, Meta(examples=["hello", "good night"])]
        to: Annotated[str, Meta(description="who", examples=["ann"])] = "all"

    schema = Annotated[Cat, Meta(examples=[Cat(9)])] | Say

    assert example_messages(schema) == [Cat(9), Say("hello"), Say("good night"), Say("", "ann")]


def test_an_example_in_an_array_has_its_place() -> None:
    class Row(Struct, tag="row", array_like=True):
        left: int
        right: Annotated[int, Meta(examples=[7])] = 0

    assert example_messages(Row | Listed) == [Row(0, 7)]


def test_an_example_that_a_struct_refuses_beside_the_simplest_is_left_out() -> None:
    class Range(Struct, tag="range"):
        low: Annotated[int, Meta(examples=[7])]
        high: int

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError

    assert example_messages(Range) == []


class Fragile(Struct, tag="fragile"):
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise KeyError(self.number)


def test_a_post_init_that_breaks_is_met_by_wire_data() -> None:
    found = find(wire_messages(Fragile), lambda message: message["number"] < 0, settings=FAST)

    assert found == {"type": "fragile", "number": -1}


def test_no_instance_is_made_where_a_post_init_breaks() -> None:
    @settings(FAST, phases=[Phase.generate])
    @given(tagged_messages(Fragile))
    def examine(message):
        assert message.number >= 0

    examine()


def test_an_example_with_which_a_post_init_breaks_is_wire_data() -> None:
    class Shown(Fragile, tag="shown"):
        number: Annotated[int, Meta(examples=[-7])]

    assert example_messages(Shown) == [{"type": "shown", "number": -7}]


def test_wire_data_is_what_json_has() -> None:
    found = find(wire_messages(Renamed | Strict), lambda message: "point" in message, settings=FAST)

    assert found == {"type": "strict", "point": {"x": 0}}
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
