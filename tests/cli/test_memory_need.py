"""The memory that a conversion is stated to need."""

import threading
import time

from posezoo.core.operating_system import available_memory
from posezoo.core.workers.threads import MemoryBudget


def test_threads_wait_for_memory_and_a_too_large_need_runs_alone():
    budget, together, most = MemoryBudget(10), set(), []

    def work(needed):
        with budget.claim(needed, lambda: None):
            together.add(threading.get_ident())
            most.append((needed, len(together)))
            time.sleep(0.02)
            together.discard(threading.get_ident())

    threads = [threading.Thread(target=work, args=(needed,)) for needed in (6, 6, 4, 99, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(most) == 5
    assert all(count <= 2 for _, count in most)
    assert (99, 1) in most


def test_there_is_memory():
    assert available_memory() > 1 << 20
