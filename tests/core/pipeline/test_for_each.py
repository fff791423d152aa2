"""One loop over models: by threads or processes, each failure for itself."""

import pytest

from posezoo.core.errors import PosezooError
from posezoo.core.pipeline.for_each import Executor, for_each


def double(number, listener):
    if number == 2:
        raise PosezooError("two is not doubled")
    if number == 3:
        open("/no/such/file", encoding="utf-8").close()
    return 2 * number


@pytest.mark.parametrize("executor", [Executor(), Executor(3), Executor(2, in_processes=True)])
def test_each_item_has_its_outcome_in_the_items_order(executor):
    outcomes = list(for_each([1, 2, 3, 4], double, executor=executor))
    assert [outcome.item for outcome in outcomes] == [1, 2, 3, 4]
    assert [outcome.result for outcome in outcomes] == [2, None, None, 8]
    problems = [outcome.error.problem for outcome in outcomes if outcome.error is not None]
    assert problems == ["two is not doubled", "/no/such/file: No such file or directory"]
