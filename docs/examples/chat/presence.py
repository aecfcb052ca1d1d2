"""Who is in which room, and what was said there: of one process, or of all that share a Redis."""

from __future__ import annotations

import time
from abc import ABC
from abc import abstractmethod
from collections import defaultdict
from collections import deque
from typing import Any

KEPT = 50
"""How many things that were said a newcomer reads."""

PRESENCE = 90.0
"""Seconds after which somebody is gone of whom nobody says that they are there."""


class Rooms(ABC):
    """What all processes have to agree on."""

    @abstractmethod
    async def enter(self, room: str, nick: str) -> bool:
        """Take a nickname; return whether it was free."""

    @abstractmethod
    async def stay(self, room: str, nick: str) -> None:
        """Say that somebody is still there, also if that was forgotten."""

    @abstractmethod
    async def leave(self, room: str, nick: str) -> None:
        """Give a nickname back."""

    @abstractmethod
    async def nicks(self, room: str) -> list[str]:
        """Return who is there, sorted."""

    @abstractmethod
    async def remember(self, room: str, said: bytes) -> None:
        """Keep what was said."""

    @abstractmethod
    async def history(self, room: str) -> list[bytes]:
        """Return what was said last, the oldest first."""

    @abstractmethod
    async def close(self) -> None:
        """Give up what is open."""


class MemoryRooms(Rooms):
    """The rooms of one process."""

    def __init__(self) -> None:
        self._nicks: dict[str, set[str]] = defaultdict(set)
        self._said: dict[str, deque[bytes]] = defaultdict(lambda: deque(maxlen=KEPT))

    async def enter(self, room: str, nick: str) -> bool:
        """Take a nickname; return whether it was free."""
        free = nick not in self._nicks[room]
        self._nicks[room].add(nick)
        return free

    async def stay(self, room: str, nick: str) -> None:
        """Do nothing: nobody is forgotten."""

    async def leave(self, room: str, nick: str) -> None:
        """Give a nickname back."""
        self._nicks[room].discard(nick)

    async def nicks(self, room: str) -> list[str]:
        """Return who is there, sorted."""
        return sorted(self._nicks[room])

    async def remember(self, room: str, said: bytes) -> None:
        """Keep what was said."""
        self._said[room].append(said)

    async def history(self, room: str) -> list[bytes]:
        """Return what was said last, the oldest first."""
        return list(self._said[room])

    async def close(self) -> None:
        """Do nothing: nothing is open."""


class RedisRooms(Rooms):
    """The rooms of all processes that share a Redis.

    A nickname expires unless somebody says that it is still there, so a process that dies takes
    its guests with it.
    """

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        # That a connection is dead, because Redis was restarted, may only be seen by using it.
        self._redis: Any = Redis.from_url(url, retry=Retry(NoBackoff(), 1))

    async def enter(self, room: str, nick: str) -> bool:
        """Take a nickname; return whether it was free."""
        now = time.time()
        async with self._redis.pipeline() as pipe:
            pipe.zremrangebyscore(f"chat:{room}:nicks", "-inf", now)
            pipe.zadd(f"chat:{room}:nicks", {nick: now + PRESENCE}, nx=True)
            _, added = await pipe.execute()
        return bool(added)

    async def stay(self, room: str, nick: str) -> None:
        """Say that somebody is still there, also to a Redis that came back empty."""
        await self._redis.zadd(f"chat:{room}:nicks", {nick: time.time() + PRESENCE})

    async def leave(self, room: str, nick: str) -> None:
        """Give a nickname back."""
        await self._redis.zrem(f"chat:{room}:nicks", nick)

    async def nicks(self, room: str) -> list[str]:
        """Return who is there, sorted."""
        present = await self._redis.zrangebyscore(f"chat:{room}:nicks", time.time(), "+inf")
        return sorted(nick.decode() for nick in present)

    async def remember(self, room: str, said: bytes) -> None:
        """Keep what was said."""
        async with self._redis.pipeline() as pipe:
            pipe.rpush(f"chat:{room}:said", said)
            pipe.ltrim(f"chat:{room}:said", -KEPT, -1)
            await pipe.execute()

    async def history(self, room: str) -> list[bytes]:
        """Return what was said last, the oldest first."""
        said: list[bytes] = await self._redis.lrange(f"chat:{room}:said", 0, -1)
        return said

    async def close(self) -> None:
        """Give up the connections."""
        await self._redis.aclose()
