"""Who may read the page: requests whose Host is the address served, and whose Origin, if they have one, is that Host.

A page elsewhere can point a name of its own to this computer (DNS rebinding); its requests then carry that name.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from bokeh.server.auth_provider import AuthProvider

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_loopback(address: str) -> bool:
    """Tell whether an address is this computer's alone."""
    return address in _LOOPBACK


def admits(host: str, origin: str | None, address: str, port: int) -> bool:
    """Tell whether a request belongs to the page served at an address and port.

    Args:
        host: the Host header.
        origin: the Origin header, where there is one.
        address: that is listened on. Beyond the loopback address numbers and this computer's own names are admitted:
            no name of somebody else leads there.
        port: that is listened on.

    Example:
        >>> admits("127.0.0.1:5006", None, "127.0.0.1", 5006), admits("evil.example:5006", None, "127.0.0.1", 5006)
        (True, False)
        >>> admits("localhost:5006", "http://evil.example", "127.0.0.1", 5006)
        False
    """
    parts = urlsplit(f"//{host}")
    try:
        name, given = parts.hostname or "", parts.port or 80
    except ValueError:  # a port that is no number
        return False
    if given != port or not _is_own(name, address):
        return False
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _is_own(name: str, address: str) -> bool:
    if name in _LOOPBACK or is_loopback(address):
        return name in _LOOPBACK
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in (address, socket.gethostname().lower(), socket.getfqdn().lower())
    return True


def free_port(address: str) -> int:
    """Find a port that nobody listens on."""
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


class OwnPages(AuthProvider):
    """Refuse requests that do not belong to the page, of every kind that Bokeh serves documents to."""

    def __init__(self, address: str, port: int) -> None:
        """Admit what `admits` does for this address and port."""
        self.address, self.port = address, port
        super().__init__()

    async def _user(self, handler: Any) -> str:
        from tornado.web import HTTPError

        request = handler.request
        if not admits(request.headers.get("Host", ""), request.headers.get("Origin"), self.address, self.port):
            raise HTTPError(403, reason="not the address of this page")
        return "user"

    @property
    def get_user(self) -> None:
        return None

    @property
    def get_user_async(self) -> Callable[[Any], Awaitable[Any]]:
        return self._user

    @property
    def login_url(self) -> str:
        return "/"

    @property
    def get_login_url(self) -> None:
        return None

    @property
    def login_handler(self) -> None:
        return None

    @property
    def logout_url(self) -> None:
        return None

    @property
    def logout_handler(self) -> None:
        return None
