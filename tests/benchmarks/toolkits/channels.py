"""Channels' ``WebsocketCommunicator`` with a JSON consumer."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any
from typing import Self
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Callable

if not settings.configured:
    settings.configure()  # before the imports below: they read it

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.testing import WebsocketCommunicator

__all__ = ["client"]


class _Echo(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(content)


class _Connection:
    """The communicator as a context manager, which it is not by itself."""

    async def __aenter__(self) -> Self:
        communicator = self._communicator = WebsocketCommunicator(_Echo.as_asgi(), "/echo")
        connected, _ = await communicator.connect()
        assert connected
        self.send_json = communicator.send_json_to
        self.receive_json = communicator.receive_json_from
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._communicator.disconnect()


@asynccontextmanager
async def client() -> AsyncIterator[Callable[[], Any]]:
    """See ``tests.benchmarks.toolkits``."""
    yield _Connection
