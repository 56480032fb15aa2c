"""Which STUN and TURN servers the devices use, with passwords that last an hour.

The passwords are those of coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00): the name is a time, the password its
HMAC-SHA1 under a secret that this server shares with the TURN servers.
"""

import base64
import hmac

from dating.calls.models import IceServer, IceServers
from dating.clock import SECOND

LIFE = 3600  # seconds


def list_servers(urls: tuple[str, ...], secret: str | None, now: int) -> IceServers:
    """The servers, the STUN ones open and the TURN ones with a name and password; `now` in microseconds."""
    open_ones = [url for url in urls if url.startswith(("stun:", "stuns:"))]
    closed_ones = [url for url in urls if url not in open_ones]
    servers = [IceServer(open_ones)] if open_ones else []
    if closed_ones and secret is not None:
        name = str(now // SECOND + LIFE)
        servers.append(IceServer(closed_ones, name, sign(name, secret)))
    elif closed_ones:
        servers.append(IceServer(closed_ones))
    return IceServers(servers, LIFE)


def sign(name: str, secret: str) -> str:
    """The password for a name."""
    return base64.b64encode(hmac.digest(secret.encode(), name.encode(), "sha1")).decode()
