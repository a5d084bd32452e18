"""Workers of one listener do not get into one another's way."""

from collections.abc import Iterator

import pytest
import torch

pytest.importorskip("sqlalchemy")
pytest.importorskip("pydantic")

from miqanet_core.listener.worker import share_cores  # noqa: E402


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("workers", "threads"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_each_worker_has_its_part_of_the_threads(four_threads: None, workers: int, threads: int) -> None:
    share_cores(workers)
    assert torch.get_num_threads() == threads
