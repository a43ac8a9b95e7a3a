"""Random ids: none is given out twice, also in threads and in forked processes."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

from storage.ids import AT_ONCE, random_hex


def test_ids_are_sixteen_hex_digits_and_all_different() -> None:
    ids = [random_hex() for _ in range(3 * AT_ONCE + 1)]
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in ids)
    assert len(set(ids)) == len(ids)


def test_threads_get_different_ids() -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: random_hex(), range(20 * AT_ONCE)))
    assert len(set(ids)) == len(ids)


def test_a_forked_process_gives_out_other_ids_than_its_parent() -> None:
    random_hex()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, " ".join(random_hex() for _ in range(20)).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as received:
        theirs = received.read().split()
    assert len(theirs) == 20
    assert not set(theirs) & {random_hex() for _ in range(AT_ONCE)}
