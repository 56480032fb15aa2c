"""`dating replay` on a small evening that the tests make up, against real servers."""

import asyncio
import csv
import io
import random
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from dating.replay import run
from dating.replay.data import INTERESTS, age, load, profile
from tests.kit import Process, Server, free_port

MEN, WOMEN = range(1, 7), range(11, 17)


def write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def make_evening(folder: Path) -> int:
    """Six men meet six women, one of them of unknown age; answers how many like each other."""
    dice = random.Random(7)
    people: list[dict[str, object]] = []
    for iid in (*MEN, *WOMEN):
        scores = {name: dice.randint(1, 10) for name in INTERESTS}
        people.append(
            {"iid": iid, "gender": int(iid in MEN), "age": "" if iid == 11 else 18 + iid, "goal": iid % 7 or "", **scores}
        )
    dates: list[dict[str, object]] = [
        {"m": m, "f": f, "dec_m": int(dice.random() < 0.7), "dec_f": int(dice.random() < 0.7)} for m in MEN for f in WOMEN
    ]
    write(folder / "people.csv", people)
    write(folder / "dates.csv", dates)
    return sum(one["dec_m"] == one["dec_f"] == 1 for one in dates)


async def replay(folder: Path, url: str, **options: Any) -> tuple[int, dict[str, Any], str]:
    """Runs it beside the tests' loop; exit status, figures and what was printed."""
    printed = io.StringIO()
    figures = folder / "figures.json"
    console = Console(file=printed, width=160)
    status = await asyncio.to_thread(run, folder, url, console=console, report=figures, **options)
    return status, msgspec.json.decode(figures.read_bytes()) if figures.exists() else {}, printed.getvalue()


async def test_small_evening_comes_out_right(server: Server, tmp_path: Path) -> None:
    """Every mutual like is a match and a chat, and every event comes once although every socket is dropped twice."""
    mutual = make_evening(tmp_path)
    status, figures, printed = await replay(tmp_path, f"http://127.0.0.1:{server.port}", drop=1.0, messages=6, concurrency=8)
    assert status == 0, printed
    assert (figures["matches"], figures["chats"], figures["swipes"]) == (mutual, mutual, 72)
    assert figures["messages"] == 6 * mutual
    assert figures["resumes"] >= figures["drops"] > 12
    assert figures["typing_shown"] > 0
    assert [figures[fault] for fault in ("lost", "repeated", "disordered", "foreign", "wrong")] == [0] * 5
    assert "Everything came" in printed


async def test_second_evening_on_the_same_server(server: Server, tmp_path: Path) -> None:
    """A server that holds data already, of an earlier replay for example, does not disturb."""
    make_evening(tmp_path)
    url = f"http://127.0.0.1:{server.port}"
    assert [(await replay(tmp_path, url, messages=1, seed=seed))[0] for seed in (1, 2)] == [0, 0]


async def test_kill_in_the_middle_is_survived(tmp_path: Path) -> None:
    """kill -9 of the server while people swipe and talk costs retries and resumes, and nothing else."""
    mutual = make_evening(tmp_path)
    process = await Process(DATABASE_PATH=str(tmp_path / "dating.db"), DATING_ENV="development").start()
    try:
        evening = asyncio.create_task(replay(tmp_path, process.url, messages=40, concurrency=4))
        kills = 0
        while kills < 3 and not evening.done():
            await asyncio.sleep(0.7)
            process.kill()
            await process.start()
            kills += 1
        status, figures, printed = await evening
    finally:
        process.kill()
    assert status == 0, printed
    assert figures["matches"] == figures["chats"] == mutual
    assert figures["retries"] > 0


async def test_no_server_is_said_at_once(tmp_path: Path) -> None:
    """Without a server there is a sentence and exit status 1."""
    make_evening(tmp_path)
    status, figures, printed = await replay(tmp_path, f"http://127.0.0.1:{free_port()}")
    assert (status, figures["wrong"]) == (1, 1)
    assert "No server answers" in printed


async def test_unreadable_data_is_said(tmp_path: Path) -> None:
    """A missing table, a missing column and unknown people end with exit status 2 and a sentence."""
    assert (await replay(tmp_path, "http://127.0.0.1:9"))[0] == 2
    make_evening(tmp_path)
    write(tmp_path / "dates.csv", [{"m": 1, "f": 99, "dec_m": 1, "dec_f": 1}])
    status, _, printed = await replay(tmp_path, "http://127.0.0.1:9")
    assert status == 2
    assert "99" in printed
    write(tmp_path / "dates.csv", [{"m": 1, "f": 11}])
    assert (await replay(tmp_path, "http://127.0.0.1:9"))[0] == 2


def test_profiles_follow_the_table(tmp_path: Path) -> None:
    """Gender, age and interests are the table's; an unknown age is 25, on every day of a leap year too."""
    make_evening(tmp_path)
    woman, man = (next(person for person in load(tmp_path).people if person.iid == iid) for iid in (11, 3))
    for day in (date(2026, 11, 20), date(2028, 2, 29), date(2028, 3, 1), date(2027, 1, 1)):
        assert age(profile(woman, day).birthday, day) == 25
        assert age(profile(man, day).birthday, day) == 21
        assert (profile(woman, day).gender, profile(man, day).interested_in) == ("female", "female")
