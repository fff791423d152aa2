"""What a check of sources does not ask twice, and how it tries again."""

from __future__ import annotations

from fakes.files import declared, model
from fakes.server import Server
from posezoo.core.download.options import DownloadOptions
from posezoo.upkeep.source_check import CheckedSource, check_sources

WEIGHTS = bytes(4096)


def checked(*sources: str, naps: list[float], jobs: int = 1) -> tuple[CheckedSource, ...]:
    spec = model(*(declared(f"{number}.bin", WEIGHTS, url) for number, url in enumerate(sources)))
    return check_sources([spec], DownloadOptions(None, attempts=2, jobs=jobs, sleep=naps.append))


def test_a_host_that_does_not_answer_at_all_is_not_asked_for_other_files(server: Server):
    naps = []
    good = server.serve("net", WEIGHTS)
    answers = checked(*(f"http://localhost:1/{number}" for number in range(5)), good, naps=naps)
    assert [answer.state for answer in answers] == ["unreachable"] * 5 + ["good"]  # another port
    assert len(naps) == 1


def test_a_host_that_redirects_to_a_silent_one_is_asked_for_its_other_files(server: Server):
    moved = server.serve("a", status=[302] * 9, headers={"Location": "http://localhost:1/a"})
    answers = checked(moved, server.serve("b", WEIGHTS), naps=[])
    assert [answer.state for answer in answers] == ["unreachable", "good"]


def test_a_host_with_one_slow_file_is_asked_for_its_other_files(server: Server):
    slow = server.serve("a", WEIGHTS, silence_s=9)
    spec = model(declared("a", WEIGHTS, slow), declared("b", WEIGHTS, server.serve("b", WEIGHTS)))
    options = DownloadOptions(None, attempts=1, timeout_s=0.5)
    assert [answer.state for answer in check_sources([spec], options)] == ["unreachable", "good"]


def test_many_sources_are_asked_at_once_and_answered_in_order(server: Server):
    urls = [server.serve(str(number), WEIGHTS, silence_s=0.2, ranges=True) for number in range(8)]
    answers = checked(*urls, naps=[], jobs=8)
    assert [answer.file for answer in answers] == [f"{number}.bin" for number in range(8)]
    assert server.peak > 1
