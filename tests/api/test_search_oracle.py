"""The search against an oracle: random people and questions, answered by comparing everybody with everybody."""

import math
import random

import msgspec
import pytest

from dating.clock import DAY, today
from dating.database import Database, Transaction
from dating.matching import candidates
from dating.matching.candidates import Order, Search
from dating.profiles import places, service
from dating.profiles.models import Gender, PreferenceChanges, ProfileFields, SettingChanges
from dating.profiles.places import Point

pytestmark = pytest.mark.one_process("asks the database, no server")

NOW = 1_795_000_000_000_000
TODAY = today(NOW)
GENDERS: list[Gender | None] = ["male", "female", "nonbinary", None]
ORDERS: list[Order] = ["distance", "recent", "id"]

# Where the people of the random worlds live: poles, the antimeridian, the prime meridian and equator, a pentagon, a city.
SPOTS = [(90.0, 0.0), (-90.0, 0.0), (-17.0, 180.0), (66.0, -179.99), (0.0, 0.0), (58.157, 10.536), (52.52, 13.405)]


ADD_USER = "INSERT INTO users (username, username_key, password, created_at, banned_at) VALUES (:name, :name, '', 0, :banned)"


class Human(msgspec.Struct):
    """Somebody of a random world, with everything that the rules look at."""

    id: int
    gender: Gender | None
    age: int | None
    genders: list[Gender]
    ages: tuple[int, int]
    radius: int | None
    cell: int | None
    recency: int
    photo: bool
    discoverable: bool
    shows: bool
    banned: bool


class World:
    """A random population in a database, and the same in plain lists."""

    def __init__(self, seed: int, size: int) -> None:
        self.dice = random.Random(seed)
        self.size = size
        self.spots = SPOTS[seed % 3 :: 3]
        self.people: dict[int, Human] = {}
        self.actions: dict[tuple[int, int], tuple[str, int]] = {}
        self.blocks: set[tuple[int, int]] = set()

    async def fill(self, tx: Transaction) -> None:
        """Make the people, their swipes and blocks."""
        for number in range(1, self.size + 1):
            await self.add_person(tx, number)
        for _ in range(self.size * 8):
            await self.add_swipe(tx, *self.dice.sample(range(1, self.size + 1), 2))
        for _ in range(self.size // 10):
            one, other = self.dice.sample(range(1, self.size + 1), 2)
            if (one, other) not in self.blocks:
                self.blocks.add((one, other))
                await tx.run("INSERT INTO blocks VALUES (:one, :other, 0)", one=one, other=other)

    async def add_person(self, tx: Transaction, number: int) -> None:
        """Somebody with random answers, last active some time ago, who may be banned."""
        dice, name = self.dice, f"p{number}"
        banned, shows, active = dice.random() < 0.03, dice.random() < 0.8, NOW - round(dice.expovariate(1 / (8 * DAY)))
        await tx.run(ADD_USER, name=name, banned=NOW if banned else None)
        fields = self.imagine()
        tx.now = active
        await service.create(tx, number, fields)
        await service.change(tx, number, ProfileFields(settings=SettingChanges(show_last_active=shows)))
        tx.now = NOW
        wishes, settings, place = fields.preferences, fields.settings, (fields.latitude, fields.longitude)
        assert isinstance(wishes, PreferenceChanges)
        assert isinstance(settings, SettingChanges)
        self.people[number] = Human(
            id=number,
            gender=fields.gender or None,
            age=TODAY.year - int(fields.birthday[:4]) if fields.birthday else None,
            genders=wishes.genders or [],
            ages=(wishes.min_age or 18, wishes.max_age or 120),
            radius=wishes.max_distance_km or None,
            cell=None if None in place else places.snap(Point(*place)),
            recency=service.round_down(active, service.HOUR if shows else DAY),
            photo=bool(fields.photo_url),
            discoverable=bool(settings.discoverable),
            shows=shows,
            banned=banned,
        )

    def imagine(self) -> ProfileFields:
        """Random answers, many of them none."""
        dice = self.dice
        latitude, longitude = self.somewhere()
        placed = dice.random() < 0.9
        least = dice.choice([18, 18, 18, 18, 20, 30])
        return ProfileFields(
            gender=dice.choice(GENDERS),
            birthday=f"{TODAY.year - dice.randint(18, 45)}-01-01" if dice.random() < 0.8 else None,
            photo_url="https://example.org/x.jpg" if dice.random() < 0.7 else None,
            latitude=latitude if placed else None,
            longitude=longitude if placed else None,
            preferences=PreferenceChanges(
                genders=dice.choice(
                    [None, None, None, None, None, ["male"], ["female"], ["male", "female"], ["nonbinary", "female"]]
                ),
                min_age=least,
                max_age=dice.choice([120, 120, 120, least + 5, least + 20]),
                max_distance_km=dice.choice([*[None] * 9, 1, 5, 30, 300, 3000, 20_000, 40_000]),
            ),
            settings=SettingChanges(discoverable=dice.random() < 0.9),
        )

    def somewhere(self) -> tuple[float, float]:
        """A place close to one of the spots, or anywhere."""
        dice = self.dice
        if dice.random() < 0.1:
            return math.degrees(math.asin(dice.uniform(-1, 1))), dice.uniform(-180, 180)
        latitude, longitude = self.dice.choice(self.spots)
        spread = dice.choice([0.01, 0.05, 0.5, 3])
        latitude = max(-90.0, min(90.0, latitude + dice.gauss(0, spread)))
        longitude = (longitude + dice.gauss(0, spread) / max(0.01, math.cos(math.radians(latitude))) + 180) % 360 - 180
        return latitude, longitude

    async def add_swipe(self, tx: Transaction, one: int, other: int) -> None:
        """One person's opinion of another, as the pair row holds it."""
        if (one, other) in self.actions:
            return
        action = self.dice.choice(["like", "superlike", "dislike"])
        at = len(self.actions) + 1
        self.actions[one, other] = (action, at)
        side = "low" if one < other else "high"
        await tx.run(
            f"INSERT INTO pairs (low_id, high_id, {side}_action, {side}_at) VALUES (:low, :high, :action, :at)"
            f" ON CONFLICT (low_id, high_id) DO UPDATE SET {side}_action = :action, {side}_at = :at",
            low=min(one, other),
            high=max(one, other),
            action=action,
            at=at,
        )

    # --- the oracle

    def expect(self, me_id: int, wish: Search) -> list[int]:
        """Everybody who must be found, in order, by comparing everybody with me."""
        me = self.people[me_id]
        cell = me.cell if wish.latitude is None else places.snap(Point(wish.latitude, wish.longitude or 0.0))
        found = [one for one in self.people.values() if self.may_see(me, one) and self.suits(me, cell, one, wish)]
        return [one.id for one in sorted(found, key=lambda one: self.place(me, cell, one, wish.order))]

    def may_see(self, me: Human, one: Human) -> bool:
        """Neither paused, banned, blocked, passed nor swiped."""
        hidden = {(me.id, one.id), (one.id, me.id)} & self.blocks
        passed = self.actions.get((one.id, me.id), ("", 0))[0] == "dislike" or (me.id, one.id) in self.actions
        return me.id != one.id and one.discoverable and not one.banned and not hidden and not passed

    def suits(self, me: Human, cell: int | None, one: Human, wish: Search) -> bool:
        """Whether all rules of both sides and of the question hold."""
        named = [wish.gender] if wish.gender else []
        wanted = {"both": ["male", "female"], "everyone": []}.get(wish.interested_in or "", [wish.interested_in])
        rules = [me.genders, named, wanted if wish.interested_in else []]
        least, most = max(me.ages[0], wish.min_age or 0), min(me.ages[1], 120 if wish.max_age is None else wish.max_age)
        radii = [radius for radius in (me.radius, wish.max_distance_km) if radius is not None]
        return (
            all(not rule or one.gender in rule for rule in rules)
            and (not one.genders or me.gender in one.genders)
            and is_aged(one.age, least, most)
            and is_aged(me.age, *one.ages)
            and all(is_near(cell, one.cell, radius) for radius in radii)
            and (one.radius is None or is_near(cell, one.cell, one.radius))
            and (one.photo or not wish.has_photo)
            and one.recency >= service.round_down(NOW, DAY) - 30 * DAY
            and (not wish.online_only or (one.shows and one.recency >= service.round_down(NOW, service.HOUR) - service.HOUR))
        )

    def place(self, me: Human, cell: int | None, one: Human, order: Order) -> tuple[float, ...]:
        """Where somebody stands in an order."""
        if order == "id":
            return (one.id,)
        if order == "distance" and cell is not None:
            cosine = None if one.cell is None else places.vector(one.cell).dot(places.vector(cell))
            return (2, 0, -one.recency, -one.id) if cosine is None else (1, -cosine, -(one.cell or 0), -one.recency, -one.id)
        return (2, -one.recency, -one.id)

    def wish(self, order: Order) -> Search:
        """A random search."""
        dice = self.dice
        latitude, longitude = self.somewhere() if dice.random() < 0.3 else (None, None)
        return Search(
            page_size=dice.choice([1, 3, 7, 20, 100]),
            gender=dice.choice(GENDERS) if dice.random() < 0.2 else None,
            interested_in=dice.choice(["male", "both", "everyone", "female"]) if dice.random() < 0.2 else None,
            min_age=dice.choice([None, None, None, 18, 25]),
            max_age=dice.choice([None, None, None, 40, 120]),
            max_distance_km=dice.choice([None, None, None, 3, 10, 50, 80.5, 350, 1000, 15_000, 40_000]),
            latitude=latitude,
            longitude=longitude,
            has_photo=dice.random() < 0.2,
            online_only=dice.random() < 0.1,
            order=order,
        )


def is_aged(age: int | None, least: int, most: int) -> bool:
    """Whether an age fits; one that was not said fits where there is no rule."""
    return (least <= 18 and most >= 120) if age is None else least <= age <= most


def is_near(one: int | None, other: int | None, radius: float) -> bool:
    """Whether two cells are within a radius, by angles and not by dot products."""
    return one is not None and other is not None and places.separation(places.vector(one), places.vector(other)) <= radius


async def page_through(db: Database, me_id: int, wish: Search) -> list[int]:
    """Every page of a search, one after the other."""
    found: list[int] = []
    while True:
        page = await db.read(candidates.search, me_id, wish)
        found += [one.id for one in page]
        if len(page) < wish.page_size:
            return found
        wish = msgspec.structs.replace(wish, last_seen_id=page[-1].id)


@pytest.mark.parametrize("seed", range(3))
async def test_search_equals_the_oracle(db: Database, seed: int) -> None:
    """On random people and random questions, every page of every order holds exactly those who fit, in the right order."""
    db.clock = lambda: NOW
    world = World(seed, 400)
    await db.write(world.fill)
    total = 0
    for number in range(60):
        me_id = world.dice.randint(1, world.size)
        wish = world.wish(ORDERS[number % 3])
        wanted = world.expect(me_id, wish)
        assert await page_through(db, me_id, wish) == wanted, (me_id, wish)
        total += len(wanted)
    assert total > 200  # or the world is too empty to prove anything
