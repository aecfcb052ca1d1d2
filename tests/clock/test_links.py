"""Connections of which both ends are in one event loop, and when they are at rest."""

import asyncio
import selectors
import socket

import pytest

from pytest_pachinko import Stalled
from pytest_pachinko.clock import virtual_time
from pytest_pachinko.clock.adopt import clock_of
from pytest_pachinko.clock.links import End
from pytest_pachinko.clock.links import Links
from pytest_pachinko.clock.links import Listener


@pytest.fixture
def watch():
    """Watch sockets with a selector, and return what it watches."""
    with selectors.DefaultSelector() as selector:

        def watch(**ends):
            for sock, events in ends.values():
                selector.register(sock.fileno(), events)
            return selector.get_map()

        yield watch


@pytest.fixture
def pair():
    """Connect two ends; return what notes them, and both."""
    links = Links()
    with Listener(links) as listener:
        listener.listen()
        with links.dial(listener.getsockname(), 1) as near:
            far, _ = listener.accept()
            with far:
                yield links, near, far


READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


def test_a_new_connection_is_at_rest(pair, watch):
    links, near, far = pair

    assert not links.on_the_way(watch(near=(near, READ), far=(far, READ)))


def test_bytes_are_on_their_way_until_they_have_been_received(pair, watch):
    links, near, far = pair
    watched = watch(near=(near, READ), far=(far, READ))
    near.send(b"hello")

    assert links.on_the_way(watched)
    far.recv(4)
    assert links.on_the_way(watched)
    far.recv(100)
    assert not links.on_the_way(watched)


@pytest.mark.skipif(not hasattr(socket.socket, "sendmsg"), reason="the platform has no sendmsg")
def test_several_buffers_count_together(pair, watch):
    links, near, far = pair
    watched = watch(far=(far, READ))
    near.sendmsg([b"he", b"llo"])

    assert links.on_the_way(watched)
    assert far.recv_into(bytearray(100)) == 5
    assert not links.on_the_way(watched)


def test_nothing_is_expected_where_nobody_reads(pair, watch):
    links, near, _ = pair
    near.send(b"hello")

    assert not links.on_the_way(watch(near=(near, READ)))


@pytest.mark.parametrize(
    "receive", [lambda end: end.recv(1), lambda end: end.recv_into(bytearray(1))]
)
def test_the_end_of_a_stream_is_on_its_way_until_it_has_been_heard(pair, watch, receive):
    links, near, far = pair
    watched = watch(far=(far, READ))
    near.shutdown(socket.SHUT_WR)

    assert links.on_the_way(watched)
    receive(far)
    assert not links.on_the_way(watched)


def test_to_stop_reading_is_no_end(pair, watch):
    links, near, far = pair
    near.shutdown(socket.SHUT_RD)

    assert not links.on_the_way(watch(far=(far, READ)))


@pytest.mark.parametrize(
    "receive", [lambda end: end.recv(9), lambda end: end.recv_into(bytearray(9))]
)
def test_a_reset_is_on_its_way_until_it_has_been_heard(pair, watch, receive):
    links, near, far = pair
    watched = watch(far=(far, READ))
    far.send(b"unread")
    near.close()  # with something unread, which resets

    assert links.on_the_way(watched)
    with pytest.raises(ConnectionResetError):
        receive(far)
    assert not links.on_the_way(watched)


@pytest.mark.parametrize(
    "receive", [lambda end: end.recv(1), lambda end: end.recv_into(bytearray(1))]
)
def test_reading_where_there_is_nothing_yet_changes_nothing(pair, receive):
    _, near, far = pair
    far.settimeout(0)
    with pytest.raises(BlockingIOError):
        receive(far)
    near.send(b"x")

    assert far.expects()


def test_a_writer_has_room_in_a_moment_once_everything_was_received(pair, watch):
    links, near, far = pair
    watched = watch(near=(near, WRITE))

    assert links.on_the_way(watched)
    near.send(b"unread")
    assert not links.on_the_way(watched)
    far.close()
    assert links.on_the_way(watched)


def test_who_has_dialled_is_waiting_until_accepted(watch):
    links = Links()
    with Listener(links) as listener:
        listener.listen()
        with links.dial(listener.getsockname(), 1) as near:
            assert links.on_the_way(watch(near=(near, READ)))


def test_a_stranger_is_not_counted():
    links = Links()
    with Listener(links) as listener:
        listener.settimeout(None)
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert not isinstance(accepted, End)
                assert not links.has(accepted.fileno())


def test_a_descriptor_that_has_a_new_owner_is_not_counted(pair):
    links, near, _ = pair
    descriptor = near.fileno()
    assert links.has(descriptor)
    near.close()

    assert not links.has(descriptor)


def test_nobody_to_dial_is_an_error_and_no_leak(free_port):
    with pytest.raises(ConnectionRefusedError):
        Links().dial(("127.0.0.1", free_port), 1)


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@pytest.mark.asyncio
async def test_what_is_on_its_way_and_does_not_arrive_fails_in_real_time():
    loop = asyncio.get_running_loop()
    with virtual_time():
        clock = clock_of(loop)
        clock.patiences["test"] = 0.01
        with Listener(clock.links) as listener:
            listener.listen()
            with clock.links.dial(listener.getsockname(), 1) as near:
                with pytest.raises(Stalled, match=r"bytes are on their way.*0\.01 s have passed"):
                    await loop.sock_recv(near, 1)
