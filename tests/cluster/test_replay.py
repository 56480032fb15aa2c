"""`dating replay` on several workers: the two of a pair sit on different ones, and nobody can tell."""

from pathlib import Path

from tests.cluster.conftest import Remote
from tests.cluster.test_workers import workers
from tests.ws.test_replay import make_evening, replay

__all__ = ["workers"]


async def test_pairs_on_two_workers(workers: Remote, tmp_path: Path) -> None:
    """Every mutual like is a match of two people on different workers, and every event comes once although all sockets drop."""
    mutual = make_evening(tmp_path)
    status, figures, printed = await replay(tmp_path, workers.process.url, drop=1.0, messages=6, concurrency=8)
    assert status == 0, printed
    assert (figures["processes"], figures["apart"]) == (2, mutual), printed
    assert (figures["matches"], figures["chats"], figures["messages"]) == (mutual, mutual, 6 * mutual)
    assert [figures[fault] for fault in ("lost", "repeated", "disordered", "foreign", "wrong")] == [0] * 5
