"""Profiles over HTTP: mine, and those of others."""

from typing import Annotated

from litestar import get, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.params import FromPath, JSONBody, PathParameter

from dating.database import Database
from dating.idempotency import Commit
from dating.profiles import service
from dating.profiles.models import Me, ProfileFields, User
from dating.safety import canaries
from dating.settings import Settings
from dating.throttle import Throttle
from dating.tokens import Identity


@get(
    ["/me", "/api/users/me"],
    summary="Read my profile",
    description="Everything that others see of me, and what only I see. The coordinates are the center of my cell.",
    tags=["Profiles"],
)
async def read_me(me: NamedDependency[Identity], db: NamedDependency[Database]) -> Me:
    """My own profile."""
    return await db.read(service.me, me.user_id)


@route(
    ["/me", "/api/users/me"],
    http_method=[HttpMethod.PUT, HttpMethod.PATCH],
    status_code=200,
    summary="Change my profile",
    description="Changes the given fields only; null clears. A birthday is set once. A place becomes a cell.",
    tags=["Profiles"],
)
async def change_me(
    data: JSONBody[ProfileFields],
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    commit: NamedDependency[Commit],
    throttle: NamedDependency[Throttle],
    settings: NamedDependency[Settings],
) -> Me:
    """My profile after the change."""
    return await service.change_mine(db, commit, throttle, me.user_id, data, settings.cell_hysteresis_meters)


@get(
    ["/user/{user_id:int}", "/api/users/{user_id:int}", "/v1/users/{user_id:int}"],
    summary="Read somebody's profile",
    description="Without a token there is no distance and no activity. Absent, banned and blocked people are 404 alike.",
    tags=["Profiles"],
    opt={"access": "optional", "limit": "profile"},
)
async def read_user(
    user_id: FromPath[int],
    viewer: NamedDependency[Identity | None],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> User:
    """Somebody as I may see them."""
    user = await db.read(service.public, viewer.user_id if viewer else None, user_id)
    await canaries.watch(db, settings, viewer, user.id)
    return user


@get(
    "/api/users/username/{username:str}",
    summary="Read somebody's profile by username",
    description="The same as by id; capital and small letters are alike.",
    tags=["Profiles"],
    opt={"access": "optional", "limit": "profile"},
)
async def read_username(
    username: Annotated[str, PathParameter(max_length=50)],
    viewer: NamedDependency[Identity | None],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> User:
    """Somebody as I may see them."""
    user = await db.read(service.public_named, viewer.user_id if viewer else None, username)
    await canaries.watch(db, settings, viewer, user.id)
    return user


handlers = [read_me, change_me, read_user, read_username]
