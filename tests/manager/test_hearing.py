"""What a manager must have missed, from what it has heard: without a clock and without a network."""

from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko import Gap
from falcon_pachinko.manager.hearing import Hearing

OLD, YOUNG = 100.0, 1.0  # a life that began before the hearing did, and one that began after


def hearing() -> Hearing:
    return Hearing(since=0.0)


def test_orders_that_follow_each_other_leave_no_gap() -> None:
    heard = hearing()

    assert [heard.order("n", "life", number, 10.0) for number in (1, 2, 3)] == [[], [], []]


def test_an_order_that_is_skipped_is_a_gap() -> None:
    heard = hearing()
    heard.order("n", "life", 1, 10.0)

    assert heard.order("n", "life", 4, 10.0) == [Gap("n", 2, 3)]
    assert Gap("n", 2, 3).missing == 2


def test_an_order_that_comes_again_is_known() -> None:
    heard = hearing()
    heard.order("n", "life", 2, 10.0)

    assert heard.order("n", "life", 2, 10.0) is None
    assert heard.order("n", "life", 1, 10.0) is None


def test_a_beat_shows_that_the_last_ones_are_missing() -> None:
    heard = hearing()
    heard.order("n", "life", 1, 10.0)

    assert heard.beat("n", "life", 3, OLD, 10.0) == [Gap("n", 2, 3)]
    assert heard.beat("n", "life", 3, OLD, 10.5) == []


def test_what_was_said_before_there_was_somebody_to_hear_it_is_not_missing() -> None:
    heard = hearing()

    assert heard.beat("n", "life", 50, OLD, 10.0) == []
    assert heard.order("n", "life", 51, 10.0) == []


def test_all_that_a_younger_manager_has_said_was_to_be_heard() -> None:
    heard = hearing()

    assert heard.beat("n", "life", 2, YOUNG, 10.0) == [Gap("n", 1, 2)]


def test_a_younger_manager_that_has_said_nothing_is_not_missed() -> None:
    assert hearing().beat("n", "life", 0, YOUNG, 10.0) == []


def test_the_beginning_of_a_younger_manager_is_judged_with_its_first_beat() -> None:
    heard = hearing()

    assert heard.order("n", "life", 3, 10.0) == []
    assert heard.beat("n", "life", 3, YOUNG, 10.0) == [Gap("n", 1, 2)]


def test_the_beginning_of_an_older_manager_is_not_judged() -> None:
    heard = hearing()
    heard.order("n", "life", 3, 10.0)

    assert heard.beat("n", "life", 3, OLD, 10.0) == []


def test_who_is_heard_first_after_an_interruption_may_have_said_something_meanwhile() -> None:
    heard = hearing()
    heard.interrupt(9.0)
    heard.order("talks", "life", 3, 10.0)

    assert heard.beat("old", "life", 2, OLD, 10.0) == [Gap("old", 1, None)]
    assert heard.beat("silent", "life", 0, OLD, 10.0) == []
    assert heard.beat("young", "life", 2, YOUNG, 10.0) == [Gap("young", 1, 2)]
    assert heard.beat("talks", "life", 3, OLD, 10.0) == [Gap("talks", 1, None)]


def test_a_manager_that_is_started_again_begins_anew() -> None:
    heard = hearing()
    heard.order("n", "first", 7, 10.0)

    assert heard.order("n", "second", 1, 10.0) == []


def test_last_words_show_what_is_missing_and_nobody_is_waited_for_any_more() -> None:
    heard = hearing()
    heard.order("n", "life", 1, 10.0)

    assert heard.leave("n", "life", 2, OLD, 10.0) == [Gap("n", 2, 2)]
    heard.interrupt(10.0)
    assert heard.overdue(99.0, 1.5) == []


def test_who_is_not_heard_again_after_an_interruption_may_have_said_more() -> None:
    heard = hearing()
    heard.order("n", "life", 1, 10.0)
    heard.interrupt(11.0)

    assert heard.overdue(12.0, 1.5) == []
    assert heard.overdue(12.6, 1.5) == [Gap("n", 2, None)]
    assert heard.overdue(20.0, 1.5) == []
    assert Gap("n", 2, None).missing == 0


def test_who_is_heard_again_after_an_interruption_has_said_no_more() -> None:
    heard = hearing()
    heard.order("n", "life", 1, 10.0)
    heard.interrupt(11.0)
    heard.beat("n", "life", 1, OLD, 11.1)

    assert heard.overdue(99.0, 1.5) == []


def test_strangers_cannot_fill_the_memory() -> None:
    heard = hearing()
    for number in range(10_000):
        heard.order(f"n{number}", "life", 1, float(number))

    assert len(heard._sources) <= 4096
    assert heard.order("n9999", "life", 1, 10_000.0) is None


@given(st.lists(st.sampled_from(["arrives", "lost", "beat", "beat lost"]), max_size=60))
def test_each_order_either_arrives_or_is_reported_once_a_beat_is_heard(fates: list[str]) -> None:
    heard = hearing()
    arrived: list[int] = []
    missing: list[int] = []
    said = 0

    def note(gaps: list[Gap] | None) -> None:
        for gap in gaps or ():
            assert gap.last is not None
            missing.extend(range(gap.first, gap.last + 1))

    for fate in fates:
        if fate in ("arrives", "lost"):
            said += 1
        if fate == "arrives":
            note(heard.order("n", "life", said, 10.0))
            arrived.append(said)
        elif fate == "beat":
            note(heard.beat("n", "life", said, YOUNG, 10.0))
    note(heard.beat("n", "life", said, YOUNG, 10.0))

    assert sorted(arrived + missing) == list(range(1, said + 1))
