"""Access tokens that are not genuine, each with what is wrong with it."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

from dating.settings import Settings
from dating.tokens import AUDIENCE, ISSUER, KIND, key_id


def encode(part: object) -> str:
    """A part of a token as it travels."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Forger:
    """Knows the secret of the server, and so can make tokens that are wrong in one point only."""

    def __init__(self, settings: Settings, user_id: int, session_id: int, since: int, refresh_token: str = "refresh") -> None:
        now = int(time.time())
        self.settings = settings
        self.secret = settings.jwt_secret
        self.refresh_token = refresh_token
        self.now = now
        self.claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "typ": KIND,
            "sub": str(user_id),
            "sid": session_id,
            "since": since,
            "jti": "jti",
            "iat": now,
            "nbf": now,
            "exp": now + 900,
        }

    def sign(
        self, *, secret: str | None = None, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token with these claims instead of the right ones; None leaves a claim out."""
        changed = {name: value for name, value in (self.claims | claims).items() if value is not None}
        header = {"alg": algorithm, "typ": "JWT", "kid": key_id(self.secret)} | (headers or {})
        text = f"{encode({name: value for name, value in header.items() if value is not None})}.{encode(changed)}"
        return f"{text}.{encode(hmac.digest((secret or self.secret).encode(), text.encode(), f'sha{algorithm[2:]}'))}"

    def genuine(self) -> str:
        """A token with nothing wrong."""
        return self.sign()

    def forgeries(self) -> Iterator[tuple[str, str]]:
        """What is wrong, and the token."""
        yield from self._shapes()
        yield from self._headers()
        yield from self._claims()

    def _shapes(self) -> Iterator[tuple[str, str]]:
        head, body, signature = self.genuine().split(".")
        kid = key_id(self.secret)
        yield "nothing at all", ""
        yield "not a token", "x"
        yield "two parts", f"{head}.{body}"
        yield "no signature", f"{head}.{body}."
        yield "four parts", f"{head}.{body}.{signature}.{signature}"
        yield "signature of other claims", f"{head}.{encode(self.claims | {'sub': str(int(self.claims['sub']) + 1)})}.{signature}"
        yield "signature cut short", f"{head}.{body}.{signature[:-4]}"
        yield "claims are a list", f"{head}.{encode([1])}.{signature}"
        yield "header is not JSON", f"{encode(b'{')}.{body}.{signature}"
        yield "header nested deep", f"{encode(b'[' * 3000)}.{body}.{signature}"
        yield "not Base64", "ä.ö.ü".encode().decode("latin-1")
        yield "10,000 characters", "a" * 10_000
        yield "a refresh token", self.refresh_token
        for algorithm in ("none", "None", "NONE", "nOnE"):
            yield f"algorithm {algorithm}", f"{encode({'alg': algorithm, 'typ': 'JWT', 'kid': kid})}.{encode(self.claims)}."

    def _headers(self) -> Iterator[tuple[str, str]]:
        kid = key_id(self.secret)
        yield "another secret", self.sign(secret="s" * 48)
        yield "an empty secret", f"{encode({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{encode(self.claims)}.{encode(b'')}"
        yield "HS384", self.sign(algorithm="HS384")
        yield "HS512", self.sign(algorithm="HS512")
        rsa = encode({"alg": "RS256", "typ": "JWT", "kid": kid})
        yield "an algorithm with two keys", f"{rsa}.{encode(self.claims)}.{self.genuine().split('.')[2]}"
        yield "unknown kid", self.sign(headers={"kid": "0" * 16})
        yield "kid like a path", self.sign(headers={"kid": "../../../../dev/null"})
        yield "kid like SQL", self.sign(headers={"kid": "' OR 1=1 --"})
        yield "no kid", self.sign(headers={"kid": None})
        yield "no type in the header", self.sign(headers={"typ": None})
        yield "crit", self.sign(headers={"crit": ["exp"]})
        yield "jku", self.sign(headers={"jku": "https://evil.test/keys"})
        yield "x5u", self.sign(headers={"x5u": "https://evil.test/key"})
        yield "jwk", self.sign(headers={"jwk": {"kty": "oct", "k": encode(b"s" * 48)}})
        yield "b64", self.sign(headers={"b64": False})

    def _claims(self) -> Iterator[tuple[str, str]]:
        for name in self.claims:
            yield f"without {name}", self.sign(**{name: None})
        yield "expired", self.sign(exp=self.now - 60)
        yield "expires never", self.sign(exp="never")
        yield "expires at a fraction of infinity", self.sign(exp=1e400)
        yield "not valid yet", self.sign(nbf=self.now + 3600)
        yield "issued in the future", self.sign(iat=self.now + 3600)
        yield "another issuer", self.sign(iss="evil")
        yield "another audience", self.sign(aud="another-app")
        yield "several audiences", self.sign(aud=[AUDIENCE, "another-app"])
        yield "another type", self.sign(typ="refresh")
        yield "subject is not a number", self.sign(sub="admin")
        yield "subject is empty", self.sign(sub="")
        yield "subject beyond 64 bits", self.sign(sub=str(2**64))
        yield "nobody's subject", self.sign(sub="999999999")
        yield "another person's session", self.sign(sub=str(int(self.claims["sub"]) + 1))
        yield "session is text", self.sign(sid="1 OR 1=1")
        yield "session is true", self.sign(sid=True)
        yield "session beyond 64 bits", self.sign(sid=2**64)
        yield "nobody's session", self.sign(sid=999_999_999)
        yield "a session opened at another time", self.sign(since=self.claims["since"] - 1)
        yield "a session opened at no time", self.sign(since=True)
        yield "a session opened beyond 64 bits", self.sign(since=2**64)
