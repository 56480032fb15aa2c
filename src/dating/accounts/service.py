"""The rules of accounts and sessions.

Functions that begin with `tx` are one piece of database work. The others are whole operations: they hash, write and mail in
that order, because hashing and mail must not happen inside a transaction. What must be committed although it is a refusal (a
wrong code counts as a try) is returned as None and refused outside.
"""

import msgspec

from dating.accounts import mail, mailboxes, queries, registry
from dating.accounts.codes import CODE_MINUTES, BadCode, issue_code, redeem_code, request_code, seal_address
from dating.accounts.exclusions import Banned
from dating.accounts.guessing import WrongCredentials, confirm, forgive
from dating.accounts.mail import Postbox
from dating.accounts.models import (
    Account,
    Deleted,
    Device,
    Done,
    Login,
    Opened,
    Pair,
    PasswordChange,
    Registration,
    Reset,
    Role,
    SignedIn,
    Verification,
    Verified,
)
from dating.accounts.names import Entry, fold, read_entry, read_username
from dating.accounts.passwords import LEAST, Passwords, WeakPassword, judge_password
from dating.accounts.sessions import end_others, hand_out, name_device, open_session
from dating.database import Database, Transaction
from dating.errors import Conflict, Forbidden, Malformed
from dating.profiles import service as profiles
from dating.profiles.models import Me, ProfileFields
from dating.realtime import inbox
from dating.realtime.protocol import Close
from dating.safety import contacts
from dating.settings import Settings
from dating.throttle import Throttle
from dating.tokens import Claims, Identity, InvalidToken

MAILED = Done("If the address belongs to an account, a code is on its way.")


class NameMissing(Malformed):
    """400: neither a name nor an address to sign in with."""

    code = "name_missing"
    detail = "Give a username or an email."


class UsernameTaken(Conflict):
    """409: somebody has this name, perhaps in other letters of the same sound: case does not count."""

    code = "username_taken"
    detail = "This username is taken."


class EmailTaken(Conflict):
    """409: an account with this address exists, or whoever reads that mailbox is kept out; it does not say which."""

    code = "email_taken"
    detail = "This e-mail address cannot be used."


class EmailNotVerified(Forbidden):
    """403: the right password, but the address must be verified first."""

    code = "email_not_verified"
    detail = "The e-mail address must be verified first; ask for a code by resend-verify-code."


class PasswordChanged(Conflict):
    """409: the password was changed by somebody else at the same moment."""

    code = "password_changed"
    detail = "The password has just been changed; sign in again."


# --- register and sign in ---------------------------------------------------------------------------------------------------


async def register(
    db: Database, settings: Settings, passwords: Passwords, postbox: Postbox, form: Registration, agent: str
) -> SignedIn:
    """A new account with its profile, signed in; a code is mailed where there is an address to verify.

    Raises what `read_entry` raises, UsernameTaken, EmailTaken, Busy, or what the profile refuses.
    """
    entry = read_entry(settings, form)
    await db.read(judge_new, settings, entry)
    hashed = await passwords.hash(form.password)
    me, opened, code = await db.write(settle, settings, entry, hashed, form, name_device(form.device_id, agent))
    if code is not None and entry.email is not None:
        postbox.post(mail.write_verification(entry.email, code, CODE_MINUTES))
    if opened is None:
        return SignedIn(message="Welcome. Verify your e-mail address to sign in.", user=me, user_id=me.id)
    return sign_in(settings, f"Welcome, {entry.username}.", me, opened)


async def judge_new(tx: Transaction, settings: Settings, entry: Entry) -> None:
    """Raises UsernameTaken, or EmailTaken: also for another spelling of the address of somebody who is kept out."""
    await judge_free(tx, entry)
    if entry.email is not None and await mailboxes.is_kept_out(tx, settings, entry.email):
        raise EmailTaken


async def judge_free(tx: Transaction, entry: Entry) -> None:
    """Raises UsernameTaken or EmailTaken."""
    if await queries.holds_name(tx, entry.key):
        raise UsernameTaken
    if entry.email_key is not None and await queries.holds_email(tx, entry.email_key):
        raise EmailTaken


async def settle(
    tx: Transaction, settings: Settings, entry: Entry, hashed: str, form: Registration, device: Device
) -> tuple[Me, Opened | None, str | None]:
    """Write account, profile, session and code; no session where the address must be verified first."""
    user_id = await create(tx, entry, hashed, "user", form)
    await contacts.put_mail(tx, settings, user_id, entry.email)
    await mailboxes.put(tx, settings, user_id, entry.email)
    code = None
    if entry.email_key is not None and settings.email_verification != "off":
        code = await issue_code(tx, settings, "verify", entry.email_key)
    opened = None if settings.email_verification == "required" else await open_session(tx, settings, user_id, device)
    return await profiles.me(tx, user_id), opened, code


async def create(tx: Transaction, entry: Entry, hashed: str, role: str, fields: ProfileFields) -> int:
    """Write account and profile; the id. Raises UsernameTaken or EmailTaken."""
    user_id = await queries.insert_user(tx, *entry, hashed, role)
    if user_id is None:
        await judge_free(tx, entry)
        raise UsernameTaken
    profile = {name: getattr(fields, name) for name in ProfileFields.__struct_fields__}
    await profiles.create(tx, user_id, ProfileFields(**profile))
    return user_id


async def login(
    db: Database, settings: Settings, passwords: Passwords, throttle: Throttle, form: Login, address: str, agent: str
) -> SignedIn:
    """Sign in by name or address. Raises NameMissing, WrongCredentials, Banned, EmailNotVerified, RateLimited or Busy."""
    if form.username is None and form.email is None:
        raise NameMissing
    given = fold(form.username or form.email or "")
    device = name_device(form.device_id, agent)
    await throttle.take("login", f"{given} {address}")
    account = await db.read(queries.find_login, given, device.hash)
    if account is None or not account.known:
        await throttle.take("account", given)
    if not await passwords.verify(account.password if account else None, form.password) or account is None:
        raise WrongCredentials
    await forgive(throttle, given, address)
    judge_entry(settings, account)
    fresh = await passwords.hash(form.password) if passwords.is_stale(account.password) else None
    me, opened = await db.write(enter, settings, account, device, fresh)
    return sign_in(settings, f"Welcome back, {account.username}.", me, opened)


def judge_entry(settings: Settings, account: Account) -> None:
    """Whether somebody with the right password may come in. Raises Banned or EmailNotVerified."""
    if account.banned_at is not None:
        raise Banned
    if settings.email_verification == "required" and account.email_verified_at is None and account.role != "admin":
        raise EmailNotVerified


async def enter(tx: Transaction, settings: Settings, account: Account, device: Device, fresh: str | None) -> tuple[Me, Opened]:
    """Open a session, and keep the stronger hash if there is one. Raises WrongCredentials when the account has just changed."""
    await queries.hold_user(tx, account.id)
    now = await queries.find_account(tx, account.id)
    if now is None or now.password != account.password:
        raise WrongCredentials
    if fresh is not None:
        await queries.set_password(tx, account.id, account.password, fresh)
    opened = await open_session(tx, settings, account.id, device)
    return await profiles.me(tx, account.id), opened


def sign_in(settings: Settings, message: str, me: Me, opened: Opened) -> SignedIn:
    """The answer to who has just signed in."""
    return SignedIn(message=message, user=me, **msgspec.structs.asdict(hand_out(settings, opened)))


# --- who is asking ---------------------------------------------------------------------------------------------------------


async def identify(tx: Transaction, claims: Claims) -> Identity:
    """Who holds an access token. Raises InvalidToken when the session is over or the person is banned or deleted."""
    role = await queries.find_role(tx, claims.user_id, claims.session_id, claims.since)
    if role is None:
        raise InvalidToken
    return Identity(claims.user_id, claims.session_id, role, claims.expires_at)


async def living(tx: Transaction, session_ids: list[int]) -> set[int]:
    """Those of the sessions that are not over."""
    return set(await queries.list_living(tx, session_ids))


async def sweep(tx: Transaction) -> int:
    """Drop sessions and codes whose time is over, so many of each that there may be more; how many of either at most."""
    return max(await queries.end_expired(tx), await queries.drop_expired_codes(tx))


# --- codes ------------------------------------------------------------------------------------------------------------------


async def resend_verification(db: Database, settings: Settings, postbox: Postbox, throttle: Throttle, email: str) -> Done:
    """Mail a new code to an address that waits for verification; the answer is the same for every address. Raises RateLimited."""
    await throttle.take("code", f"mail {fold(email)}")
    account, code = await db.write(request_code, settings, "verify", fold(email))
    wanted = settings.email_verification != "off" and account is not None and account.email_verified_at is None
    if wanted and account is not None and account.email is not None:
        postbox.post(mail.write_verification(account.email, code, CODE_MINUTES))
    return MAILED


async def forgot_password(db: Database, settings: Settings, postbox: Postbox, throttle: Throttle, email: str) -> Done:
    """Mail a code for a new password; the answer is the same for every address. Raises RateLimited."""
    await throttle.take("code", f"mail {fold(email)}")
    account, code = await db.write(request_code, settings, "reset", fold(email))
    if account is not None and account.email is not None:
        postbox.post(mail.write_reset(account.email, code, CODE_MINUTES))
    return MAILED


async def verify(db: Database, settings: Settings, throttle: Throttle, form: Verification, address: str, agent: str) -> Verified:
    """Prove an address by the mailed code, and sign in. Raises BadCode, Banned or RateLimited."""
    email_key = fold(form.email)
    await throttle.take("code", f"try {email_key} {address}")
    opened = await db.write(accept_address, settings, email_key, form.code, name_device(form.device_id, agent))
    if opened is None:
        raise BadCode
    tokens = hand_out(settings, opened)
    return Verified(message="The e-mail address is verified.", token=Pair(tokens.access_token, tokens.refresh_token))


async def accept_address(tx: Transaction, settings: Settings, email_key: str, code: str, device: Device) -> Opened | None:
    """The database work of `verify`; None for a wrong code."""
    account = await redeem_code(tx, settings, "verify", email_key, code)
    if account is None or account.banned_at is not None:
        return None
    await queries.verify_email(tx, account.id)
    return await open_session(tx, settings, account.id, device)


async def reset_password(
    db: Database, settings: Settings, passwords: Passwords, postbox: Postbox, throttle: Throttle, form: Reset, address: str
) -> Done:
    """A new password by the mailed code; every session ends. Raises WeakPassword, BadCode, Busy or RateLimited."""
    email_key = fold(form.email)
    judge_password(form.password, email_key)
    await throttle.take("code", f"try {email_key} {address}")
    hashed = await passwords.hash(form.password)
    account = await db.write(accept_reset, settings, email_key, form.code, hashed)
    if account is None:
        raise BadCode
    await forgive(throttle, email_key, address)
    await forgive(throttle, fold(account.username), address)
    postbox.post(mail.write_change(account.email or form.email))
    return Done("The password is changed; sign in with it.")


async def accept_reset(tx: Transaction, settings: Settings, email_key: str, code: str, hashed: str) -> Account | None:
    """The database work of `reset_password`; None for a wrong code."""
    account = await redeem_code(tx, settings, "reset", email_key, code)
    if account is None:
        return None
    await end_others(tx, account.id)
    await queries.set_password(tx, account.id, account.password, hashed)
    await queries.verify_email(tx, account.id)
    return account


# --- what needs the password once more --------------------------------------------------------------------------------------


async def change_password(
    db: Database, passwords: Passwords, postbox: Postbox, throttle: Throttle, me: Identity, form: PasswordChange
) -> Done:
    """Another password; every other session ends, and a notice is mailed.

    Raises WrongPassword, WeakPassword, PasswordChanged, RateLimited or Busy.
    """
    account = await confirm(db, passwords, throttle, me, form.old_password)
    judge_password(form.new_password, account.username, account.email or "")
    hashed = await passwords.hash(form.new_password)
    await db.write(replace_password, me, account.password, hashed)
    if account.email is not None:
        postbox.post(mail.write_change(account.email))
    return Done("The password is changed; every other device is signed out.")


async def replace_password(tx: Transaction, me: Identity, old: str, new: str) -> None:
    """The database work of `change_password`. Raises PasswordChanged."""
    if not await queries.set_password(tx, me.user_id, old, new):
        raise PasswordChanged
    await end_others(tx, me.user_id, me.session_id)


async def delete_account(
    db: Database, settings: Settings, passwords: Passwords, postbox: Postbox, throttle: Throttle, me: Identity, password: str
) -> Deleted:
    """Erase me and what is mine; a notice is mailed to the address. Raises WrongPassword, RateLimited or Busy."""
    account = await confirm(db, passwords, throttle, me, password)
    await db.write(erase, settings, account)
    if account.email is not None:
        postbox.post(mail.write_farewell(account.email))
    return Deleted()


async def erase(tx: Transaction, settings: Settings, account: Account) -> None:
    """Erase a person from every feature. What stays is a row without a name, so that the id is never used again."""
    user_id = account.id
    if not await queries.bury_user(tx, user_id):
        raise InvalidToken
    await end_others(tx, user_id)
    await registry.erase(tx, user_id)
    if account.email is not None:
        await queries.drop_codes(tx, seal_address(settings, fold(account.email)))


async def erase_lately(db: Database, since: int) -> None:
    """Erase once more everybody who has left after a moment, in microseconds.

    Somebody's request may have passed the gate before their account went, and have written something after that.
    """
    for user_id in await db.read(queries.list_gone, since):
        await db.write(erase_again, user_id)


async def erase_again(tx: Transaction, user_id: int) -> None:
    """The database work of `erase_lately`, of one person."""
    await end_others(tx, user_id)
    await registry.erase(tx, user_id)


# --- what administrators decide -----------------------------------------------------------------------------------------------


async def grant_role(tx: Transaction, user_id: int, role: Role) -> None:
    """Give somebody a role; what the processes remember of them is forgotten, and their sockets connect again."""
    await queries.set_role(tx, user_id, role)
    inbox.revoke(tx, user_id, None, Close.REVOKED)


# --- the command line -------------------------------------------------------------------------------------------------------


async def create_admin(db: Database, passwords: Passwords, username: str, password: str) -> str:
    """Make an administrator, or make one of the account of that name, whose password then stays; says which of the two.

    Raises InvalidUsername or WeakPassword.
    """
    entry = Entry(read_username(username), fold(username), None, None)
    if (known := await db.write(promote, entry.key)) is not None:
        return f"{known} is an administrator now; the password is unchanged."
    if len(password) < LEAST:
        raise WeakPassword(f"The password must have at least {LEAST} characters.")
    judge_password(password, entry.username)
    await db.write(create, entry, await passwords.hash(password), "admin", ProfileFields())
    return f"The administrator {entry.username} was created."


async def promote(tx: Transaction, key: str) -> str | None:
    """Give the account of this name the role of administrator; its name as it is shown, None when there is no such account."""
    account = await queries.find_login(tx, key)
    if account is None:
        return None
    await queries.set_role(tx, account.id, "admin")
    return account.username
