"""How Schemathesis signs in, what it asks for, and which refusals of well-formed requests are right.

It signs in as somebody registered a moment ago, who has a match, a chat and a message; as somebody new wherever the operation may
end the session. Two of three well-formed requests name those things instead of ids that nothing has.
"""

import itertools
import os
from typing import Any, NamedTuple

import httpx
import schemathesis

PASSWORD = "correct horse battery"
ENDING = ("/logout", "/api/auth/logout", "/api/auth/password", "/sessions/{session_id}")
numbers = itertools.count(1)

# A request may fit the schema and break a rule about several fields, about the date, about NUL, or about what is not built yet.
# Each such refusal has a code of its own. With these answer the types and the parsers, whose rules the document states.
UNNAMED = frozenset({"invalid", "malformed", "bad_frame", "too_deep"})


class Member(NamedTuple):
    """Somebody who signed in, and what is theirs."""

    authorization: str
    own: dict[str, Any]


def register() -> Member:
    """Somebody new with a match, a chat and a message in it."""
    with httpx.Client(base_url=os.environ["CONTRACT_URL"]) as http:
        people = [http.post("/register", json=describe_somebody()).raise_for_status().json() for _ in range(2)]
        headers = [{"Authorization": f"Bearer {person['access_token']}"} for person in people]
        ids = [person["user_id"] for person in people]
        for mine, other in zip(headers, reversed(ids), strict=True):
            match = http.post("/swipe", json={"target_id": other, "action": "like"}, headers=mine).raise_for_status().json()
        said = {"chat_id": match["chat_id"], "content": "Привет!"}
        message = http.post("/messages/send", json=said, headers=headers[1]).raise_for_status().json()
        group = {"kind": "group", "name": "Походы", "member_ids": [ids[0]]}
        made = http.post("/api/chats", json=group, headers=headers[1]).raise_for_status().json()
        invite = http.post(f"/api/chats/{made['id']}/invites", json={}, headers=headers[1]).raise_for_status().json()
    own = {
        "token": invite["token"],
        "invite_id": invite["id"],
        "message_id": message["id"],
        "user_ids": [ids[1]],
        "chat_id": match["chat_id"],
        "user_id": ids[1],
        "target_id": ids[1],
        "member_ids": [ids[1]],
        "message_ids": [message["id"]],
    }
    return Member(headers[0]["Authorization"], own | {"username": people[1]["user"]["username"], "reply_to_id": message["id"]})


def describe_somebody() -> dict[str, str]:
    """What somebody new registers with."""
    return {"username": f"contract{os.getpid()}_{next(numbers)}", "password": PASSWORD, "birthday": "1994-05-17"}


class SignIn:
    """Signs a request, and lets it ask for what is there."""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> Member:
        """Register."""
        return register()

    def set(self, case: schemathesis.Case, data: Member, context: schemathesis.AuthContext) -> None:
        """Put the token onto the request and, often, own ids into it."""
        case.headers = case.headers or {}
        case.headers["Authorization"] = data.authorization
        if is_positive(case):
            case.body = write_integers(case.body)
            if next(numbers) % 3:
                for place in (case.path_parameters, case.body):
                    if isinstance(place, dict):
                        place.update({name: value for name, value in data.own.items() if place.get(name) is not None})


def write_integers(value: Any) -> Any:
    """Whole numbers as programs write them: JSON Schema takes 7.0 for an integer, the server does not."""
    if isinstance(value, dict):
        return {name: write_integers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [write_integers(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_positive(case: schemathesis.Case) -> bool:
    """Whether a request was made to fit the schema."""
    return case.meta is not None and case.meta.generation.mode.is_positive


def may_end(context: schemathesis.HookContext) -> bool:
    """Whether an operation may end the session it is asked with."""
    operation: Any = context.operation
    return operation.path in ENDING or (operation.method.upper(), operation.path) == ("DELETE", "/me")


schemathesis.auth(refresh_interval=None).apply_to(may_end)(SignIn)
schemathesis.auth(refresh_interval=300).skip_for(may_end)(SignIn)


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Leave out what was meant to be wrong and is not: an optional body, spoilt by leaving it out."""
    return case.meta is None or is_positive(case) or case.meta.phase.data.description != "Positive test case"


@schemathesis.check
def refusals_name_their_rule(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A well-formed request is refused with 400 only by a rule that has a name."""
    if is_positive(case) and response.status_code == 400:
        code = response.json()["code"]
        assert code not in UNNAMED, f"{code}: {response.text}"


@schemathesis.check
def refusals_are_problems(context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Every refusal is problem+json with a code, and carries the headers of every answer."""
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"], response.headers
        assert response.json()["code"], response.text
    assert response.headers["x-content-type-options"] == ["nosniff"]
