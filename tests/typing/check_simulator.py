"""What the type checkers infer for simulators and harnesses; checked, never run."""

from typing import Any
from typing import assert_type

import falcon.asgi
import msgspec

from pytest_pachinko import Fault
from pytest_pachinko import Session
from pytest_pachinko import SimulatorConnection
from pytest_pachinko import SimulatorRouterHarness
from pytest_pachinko import WebSocketSimulator


class Said(msgspec.Struct, tag="said"):
    text: str


async def a_simulator_stands_where_a_websocket_is_expected(simulator: WebSocketSimulator) -> None:
    websockets: list[falcon.asgi.WebSocket] = [simulator]
    assert_type(websockets[0], falcon.asgi.WebSocket)


async def a_connected_simulator_is_the_simulator(simulator: WebSocketSimulator) -> None:
    async with simulator.connected() as connected:
        assert_type(connected, WebSocketSimulator)


async def a_push_may_be_awaited_or_not(simulator: WebSocketSimulator) -> None:
    simulator.push_message({"type": "said"})
    await simulator.push_message({"type": "said"})


def a_decoded_message_has_the_type_that_was_asked_for(simulator: WebSocketSimulator) -> None:
    assert_type(simulator.pop_sent_json(Said), Said)
    assert_type(simulator.pop_sent_json(), Any)


async def a_harness_connects(harness: SimulatorRouterHarness) -> None:
    async with harness as entered, entered.connect("/") as connection:
        assert_type(connection, SimulatorConnection)
        assert_type(connection.session, Session)
        assert_type(connection.pop_sent_json(Said), Said)
        assert_type(connection.close_code, int | None)


def a_fault_is_one_of_several(fault: Fault) -> list[Fault]:
    return [fault]
