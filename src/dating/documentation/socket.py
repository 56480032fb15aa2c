"""The AsyncAPI 3.0 document of the socket, made from the structs of `realtime.events` and the examples below."""

from typing import Any

import msgspec

from dating import __version__
from dating.realtime import events
from dating.realtime.events import Event, Frame
from dating.realtime.protocol import Close

REFERENCE = "#/components/schemas/{name}"
DURABLE = (
    events.Message,
    events.Delivered,
    events.ReadChat,
    events.ReadMessages,
    events.MessageEdited,
    events.MessageDeleted,
    events.Reaction,
    events.Vote,
    events.Pinned,
    events.Match,
    events.Superlike,
    events.Chat,
    events.MemberJoined,
    events.MemberLeft,
    events.Unmatch,
    events.Call,
    events.Statement,
    events.Exported,
    events.Hidden,
)
"""What goes through the inbox and therefore carries `seq`."""

EXAMPLES: list[Event | Frame] = [
    events.Message(1001, 42, 5, "Привет! 👋", "2026-11-20T09:00:00.000Z", client_id="c-17"),
    events.Delivered(42, 5, 1001),
    events.ReadChat(42, 5, 1001),
    events.ReadMessages(42, 5, [101, 102, 106]),
    events.MessageEdited(1001, 42, 5, "Привет всем! 👋", "2026-11-20T09:01:00.000Z"),
    events.MessageDeleted(42, 1001, 5, for_all=True),
    events.Reaction(42, 1001, 7, "❤️"),
    events.Vote(42, 1001, 7, [0]),
    events.Pinned(42, 1001, 5, on=True),
    events.Match("It's a match with user 7!", 42, 7),
    events.Superlike(7),
    events.Chat(42, 7),
    events.MemberJoined(43, 9, by_link=True),
    events.MemberLeft(43, 9),
    events.Unmatch(42, 7),
    events.Call(9, 42, 5, "ended", "audio", "declined"),
    events.Statement(3, "warn"),
    events.Exported("2026-11-21T09:00:00.000Z"),
    events.Hidden(),
    events.Typing(42, 5),
    events.Presence(5, False, "2026-11-20T09:00:00.000Z"),
    events.Signal(9, 5, 1, "ice", "candidate:1 1 udp 2122260223 192.0.2.7 50123 typ host"),
    events.Hello("9f2c1e5a.b0d4c3771e5a", "x3Jv1QpZ", 118, 25.0, 900),
    events.Resumed(start=118, to=131),
    events.Resync("trimmed", "x3Jv1QpZ", 5210),
    events.Drain(350),
    events.Error("bad_frame", "The frame is not a JSON object of a known type."),
    events.Pong(),
    events.SendTyping(42),
    events.SendDelivered(42, 1001),
    events.Watch([42, 57]),
    events.Ack(118),
    events.Refresh("eyJhbGciOiJIUzI1NiJ9.e30.signature"),
    events.Ping(),
]

CLOSES = {
    Close.DONE: "Done.",
    Close.RESTART: "This process is going away: connect again, with jitter.",
    Close.MALFORMED: "Too many frames that are not the protocol's.",
    Close.EXPIRED: "The access token has expired: get a new one and connect again.",
    Close.REVOKED: "The session was ended: signed out, password changed, banned or deleted.",
    Close.SLOW: "This client took nothing for too long, or was silent: connect again and resume.",
    Close.REPLACED: "The person opened more sockets than allowed; this was the oldest.",
    Close.FLOOD: "Too many frames.",
}
REFUSALS = {
    "400": "`since` is not a whole number (`invalid_since`), or the request is no WebSocket upgrade (`malformed`).",
    "401": "The one-time token is used, expired or unknown (`invalid_session_token`), or there is no valid one.",
    "403": "The page's origin is not on the list (`foreign_origin`).",
    "429": "Too many one-time tokens (`rate_limited`, at POST /ws/start); see Retry-After.",
    "503": "This process is going away (`draining`); see Retry-After.",
}

WORDS = """
The socket of a person, a live tail of the person's inbox. JSON text frames, one object each; ignore keys and types that you do
not know.

1. POST `/ws/start` with your access token gives a one-time token.
2. GET `/ws/chat?session=<token>` opens the socket; add `&since=<seq>` (and `&epoch=<epoch>`) to get what you missed. A refusal is
   an HTTP status before the upgrade: see `x-refusals`. `/ws` is the same and also takes `Authorization: Bearer` on the upgrade.
3. `hello` comes first, then what you missed, then `resumed`; or `resync` when the gap cannot be filled: reload by HTTP and go on
   from its `seq`.

Durable events carry `seq`, dense and ascending for each person. Keep the last one you applied; drop a frame whose `seq` is not
higher. Events without `seq` may be lost. The meaning of close codes is in `x-close-codes`.
"""


def describe_socket() -> dict[str, Any]:
    """The whole document, as plain data."""
    outgoing, incoming = list_messages(Event), list_messages(Frame)
    _, schemas = msgspec.json.schema_components([*outgoing, *incoming], ref_template=REFERENCE)
    for kind in DURABLE:
        add_number(schemas[kind.__name__])
    channel = {"$ref": "#/channels/socket"}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "dating: the socket", "version": __version__, "description": WORDS},
        "defaultContentType": "application/json",
        "channels": {"socket": describe_channel([*outgoing, *incoming])},
        "operations": {
            "tell": {"action": "send", "channel": channel, "summary": "What the server says", "messages": refer(outgoing)},
            "listen": {"action": "receive", "channel": channel, "summary": "What clients say", "messages": refer(incoming)},
        },
        "components": {
            "schemas": schemas,
            "messages": {kind.__name__: describe_message(kind) for kind in [*outgoing, *incoming]},
            "securitySchemes": {
                "session": {
                    "type": "httpApiKey",
                    "name": "session",
                    "in": "query",
                    "description": "One-time, from POST /ws/start.",
                },
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def list_messages(root: type[Event] | type[Frame]) -> list[type[Event] | type[Frame]]:
    """Every kind of frame in one direction, in the order of the module."""
    return list(root.__subclasses__())


def add_number(schema: dict[str, Any]) -> None:
    """Durable events get their number when they enter an inbox."""
    meaning = "The number of this event in my inbox."
    schema["properties"]["seq"] = {"type": "integer", "minimum": 1, "description": meaning}
    schema["required"] = [*schema.get("required", []), "seq"]


def refer(kinds: list[type[Event] | type[Frame]]) -> list[dict[str, str]]:
    """References to the messages of the channel."""
    return [{"$ref": f"#/channels/socket/messages/{kind.__name__}"} for kind in kinds]


def describe_channel(kinds: list[type[Event] | type[Frame]]) -> dict[str, Any]:
    """Where the socket is, how it is opened, and how it ends."""
    query = {
        "type": "object",
        "properties": {
            "session": {"type": "string", "description": "The one-time token of POST /ws/start."},
            "since": {"type": "integer", "minimum": 0, "description": "The `seq` of the last event that I applied."},
            "epoch": {"type": "string", "description": "The `epoch` that `since` belongs to."},
        },
    }
    return {
        "address": "/ws/chat",
        "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds},
        "bindings": {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}},
        "x-refusals": REFUSALS,
        "x-close-codes": {str(code.value): meaning for code, meaning in CLOSES.items()},
    }


def describe_message(kind: type[Event] | type[Frame]) -> dict[str, Any]:
    """One kind of frame with an example."""
    [example] = [msgspec.to_builtins(one) for one in EXAMPLES if type(one) is kind]
    if kind in DURABLE:
        example["seq"] = 118
    return {
        "name": example["type"],
        "summary": (kind.__doc__ or "").strip(),
        "payload": {"$ref": REFERENCE.format(name=kind.__name__)},
        "examples": [{"payload": example}],
    }
