"""Names and addresses: what may be registered, and the one form by which each is found again. Pure."""

import re
import unicodedata
from typing import NamedTuple

from dating.accounts.models import NAME, Registration
from dating.accounts.passwords import judge_password
from dating.errors import Forbidden, Malformed
from dating.settings import Settings


class InvalidUsername(Malformed):
    """400: not 3 to 50 letters, digits, or characters of `_ . -`."""

    code = "invalid_username"
    detail = "Invalid username"


class EmailMissing(Malformed):
    """400: this server wants an e-mail address of everybody."""

    code = "email_missing"
    detail = "An e-mail address is needed to register here."


class ForeignDomain(Forbidden):
    """403: registration is open to addresses of certain domains."""

    code = "email_domain_not_allowed"
    detail = "Registration is not open to addresses of this domain."


class Entry(NamedTuple):
    """A new account as it will be written, its password still to be hashed."""

    username: str
    key: str
    email: str | None
    email_key: str | None


def fold(name: str) -> str:
    """The one form of a name or an address by which it is found: blanks around it and case do not count."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def read_username(given: str) -> str:
    """The name as it will be shown. Raises InvalidUsername."""
    username = unicodedata.normalize("NFKC", given.strip())
    if not re.fullmatch(NAME, username):
        raise InvalidUsername
    return username


def read_entry(settings: Settings, form: Registration) -> Entry:
    """What may be registered here. Raises InvalidUsername, EmailMissing, ForeignDomain or WeakPassword."""
    username = read_username(form.username)
    email = form.email.strip() if form.email is not None else None
    demanded = settings.email_verification == "required" or settings.email_domains
    if email is None and demanded:
        raise EmailMissing
    if email is not None and settings.email_domains and fold(email).partition("@")[2] not in settings.email_domains:
        raise ForeignDomain
    judge_password(form.password, username, email or "")
    return Entry(username, username.casefold(), email, fold(email) if email is not None else None)
