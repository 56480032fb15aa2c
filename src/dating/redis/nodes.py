"""Which node of a cluster keeps which keys and channels. A single server keeps them all."""

import binascii
from collections.abc import Iterator
from typing import Any

import msgspec

from dating.redis.wire import Address, RedisRefused, dial

SLOTS = 16_384


def find_slot(name: bytes) -> int:
    """The slot of a key or channel: that of its hash tag, where it has one."""
    _, opened, rest = name.partition(b"{")
    tag, closed, _ = rest.partition(b"}")
    return binascii.crc_hqx(tag if opened and closed and tag else name, 0) % SLOTS


class Nodes:
    """The map of a cluster, as one of its nodes drew it last. Until then `seed` is taken for all of it."""

    def __init__(self, seed: Address) -> None:
        self.seed = seed
        self.known = False
        self.clustered = False
        self._slots: list[Address] = [seed] * SLOTS

    def of(self, name: bytes) -> Address:
        """The node that keeps this key or channel."""
        return self._slots[find_slot(name)]

    async def find(self) -> bool:
        """Ask for the map; whether it has changed. Raises OSError, TimeoutError or RedisRefused when no node tells."""
        failure: Exception | None = None
        for address in dict.fromkeys((self.seed, *self._slots)):
            try:
                return self._draw(await ask_slots(address))
            except (OSError, TimeoutError, RedisRefused) as error:
                failure = error
        assert failure is not None
        raise failure

    def _draw(self, ranges: Any) -> bool:
        slots = [self.seed] * SLOTS
        for start, end, node in read_ranges(self.seed, ranges):
            slots[start : end + 1] = [node] * (end + 1 - start)
        changed = slots != self._slots
        self._slots, self.known, self.clustered = slots, True, ranges is not None
        return changed


def read_ranges(seed: Address, ranges: Any) -> Iterator[tuple[int, int, Address]]:
    """First slot, last slot and primary of each range in the answer to CLUSTER SLOTS."""
    for start, end, primary, *_ in ranges or ():
        host = primary[0].decode() if primary[0] else seed.host
        yield start, end, msgspec.structs.replace(seed, host=host, port=primary[1])


async def ask_slots(address: Address) -> Any:
    """A node's map of the cluster; None from a single server. Raises OSError, TimeoutError or RedisRefused."""
    wire = await dial(address)
    try:
        return await wire.ask_soon("CLUSTER", "SLOTS")
    except RedisRefused as refusal:
        if "cluster support disabled" in str(refusal) or "unknown command" in str(refusal):
            return None
        raise
    finally:
        wire.abort()
