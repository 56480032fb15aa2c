"""Which STUN and TURN servers are told, and the passwords for them."""

from dating.calls.ice import list_servers, sign
from dating.calls.models import IceServer

NOW = 1_700_000_000 * 1_000_000


def test_servers_and_passwords() -> None:
    """STUN is open; TURN has the time at which the password ends as its name, and the HMAC of that under the secret."""
    told = list_servers(("stun:stun.example.org", "turn:turn.example.org?transport=udp"), "north", NOW)
    name = str(1_700_000_000 + 3600)
    assert told.ice_servers == [
        IceServer(["stun:stun.example.org"]),
        IceServer(["turn:turn.example.org?transport=udp"], name, sign(name, "north")),
    ]
    assert told.expires_in == 3600


def test_the_password_is_that_of_coturn() -> None:
    """The same as `printf NAME | openssl dgst -sha1 -hmac SECRET -binary | base64`."""
    assert sign("1700003600", "north") == "xF4I6gruVt/PjGbjajGu2UlidPk="


def test_without_settings_there_are_none() -> None:
    """No servers, no secret: an empty list; TURN servers without a secret are told without a password."""
    assert list_servers((), None, NOW).ice_servers == []
    assert list_servers(("turn:t.example.org",), None, NOW).ice_servers == [IceServer(["turn:t.example.org"])]
