"""TCP connections of which both ends are in one event loop.

Nobody outside of the process can cause anything on such a connection: what one end has sent
and the other has not received is on its way, in the kernel, and nothing else will come. So the
two ends count what passes them, and a loop whose sockets are all of this kind can know
that it is at rest, just as one without sockets.

The bytes are those of TCP, below TLS. The end of a stream counts like one more byte.
"""

from __future__ import annotations

import selectors
import socket
import weakref
from typing import Any
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    Address = tuple[str, int]

__all__ = ["End", "Links", "Listener"]


class End(socket.socket):
    """One end of a TCP connection, which counts what it sends and receives.

    Attributes:
        far: The other end; None until it has been accepted.
        sent: How many bytes have left here.
        received: How many bytes have arrived here.
        ended: Whether nothing more will leave here.
        heard_end: Whether nothing more will arrive here.
    """

    far: End | None = None
    sent = 0
    received = 0
    ended = False
    heard_end = False

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send what the kernel takes."""
        count = super().send(data, flags)
        self.sent += count
        return count

    def sendmsg(self, buffers: Any, *arguments: Any) -> int:
        """Send what the kernel takes, of several buffers."""
        count = super().sendmsg(buffers, *arguments)
        self.sent += count
        return count

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive what has arrived."""
        try:
            data = super().recv(size, flags)
        except BlockingIOError:
            raise
        except OSError:
            self.heard_end = True
            raise
        self._note(len(data))
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive what has arrived, into a buffer."""
        try:
            count = super().recv_into(buffer, nbytes, flags)
        except BlockingIOError:
            raise
        except OSError:
            self.heard_end = True
            raise
        self._note(count)
        return count

    def _note(self, count: int) -> None:
        self.received += count
        self.heard_end = not count

    def expects(self) -> bool:
        """Return whether something will arrive here by itself."""
        far = self.far
        return not self.heard_end and (far is None or far.sent > self.received or far.ended)

    def has_room(self) -> bool:
        """Return whether the kernel takes more here, at once or in a moment."""
        far = self.far
        return far is None or far.fileno() < 0 or far.received >= self.sent

    def shutdown(self, how: int, /) -> None:
        """Close one half of the connection, or both."""
        super().shutdown(how)
        self.ended = self.ended or how != socket.SHUT_RD

    def close(self) -> None:
        """Close the connection."""
        self.ended = True
        super().close()
        far = self.far
        if far is not None and far.fileno() < 0:
            # Both are closed: no circle stays behind.
            self.far = far.far = None


class Listener(socket.socket):
    """A socket that listens on a free port of this machine, for ends that were dialled here.

    Args:
        links: Where the ends are noted.
    """

    def __init__(self, links: Links) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._links = links
        self.accepted: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self.bind(("127.0.0.1", 0))
        self.settimeout(0)
        links.note(self)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its end is counted if the other one is."""
        accepted, address = super().accept()
        near = self._links.dialled.pop((address, self.getsockname()), None)
        if near is None:
            self.accepted.add(accepted)
            return accepted, address
        end = End(fileno=accepted.detach())
        end.settimeout(0)
        near.far, end.far = end, near
        self._links.note(end)
        self.accepted.add(end)
        return end, address


class Links:
    """The sockets of one event loop that no outside can reach.

    Attributes:
        dialled: Ends that have not been accepted yet, by their own address.
    """

    def __init__(self) -> None:
        self.dialled: dict[tuple[Address, Address], End] = {}
        self._sockets: weakref.WeakValueDictionary[int, socket.socket] = (
            weakref.WeakValueDictionary()
        )

    def dial(self, address: Address, patience: float) -> End:
        """Connect to a listener of the same process, which accepts later.

        Args:
            address: The host and the port of the listener.
            patience: Seconds to wait for room in its backlog.

        Raises:
            OSError: Nobody listens there.
        """
        end = End(socket.AF_INET, socket.SOCK_STREAM)
        try:
            end.settimeout(patience)
            # The kernel completes it: the listener need not run for that.
            end.connect(address)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.settimeout(0)
        except OSError:
            end.close()
            raise
        self.dialled[end.getsockname(), end.getpeername()] = end
        self.note(end)
        return end

    def note(self, sock: socket.socket) -> None:
        """Take note of a socket that no outside can reach."""
        self._sockets[sock.fileno()] = sock

    def has(self, descriptor: Any) -> bool:
        """Return whether a descriptor is one of these sockets."""
        sock = self._sockets.get(descriptor)
        return sock is not None and sock.fileno() == descriptor

    def on_the_way(self, watched: Mapping[int, selectors.SelectorKey]) -> bool:
        """Return whether the kernel still has something to report of these sockets.

        Args:
            watched: What the selector of the loop watches.
        """
        for descriptor, sock in list(self._sockets.items()):
            key = watched.get(descriptor) if sock.fileno() == descriptor else None
            if key is not None and isinstance(sock, End):
                reads = key.events & selectors.EVENT_READ
                writes = key.events & selectors.EVENT_WRITE
                if (reads and sock.expects()) or (writes and sock.has_room()):
                    return True
        return False
