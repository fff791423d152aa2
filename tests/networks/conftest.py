"""One thread and one seed for every network, and what was published of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.when_used import needs


@pytest.fixture(scope="session")
def published(shared: Path):
    """The published keys and outputs; needs ../shared."""
    from networks.published import Published

    return Published(shared / "facts")


@pytest.fixture(autouse=True)
def _one_thread_and_one_seed():
    """Sums in the same order in every run, and the two cores left to other processes."""
    torch = needs("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
