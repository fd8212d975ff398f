"""Data sets, samplers and the loader."""

from collections import namedtuple

import numpy as np
import pytest

import segue
from segue.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)  # fmt: skip


def test_batches_in_order():
    data = TensorDataset(segue.arange(10).reshape(5, 2), segue.arange(5))
    batches = list(DataLoader(data, batch_size=2))
    assert [tuple(x.shape) for x, _ in batches] == [(2, 2), (2, 2), (1, 2)]
    assert segue.equal(segue.cat([y for _, y in batches]), segue.arange(5))
    assert len(DataLoader(data, batch_size=2)) == 3 and len(DataLoader(data, batch_size=2, drop_last=True)) == 2
    assert len(list(DataLoader(data, batch_size=2, drop_last=True))) == 2


def test_shuffle_follows_the_seed_and_changes_with_the_epoch():
    loader = DataLoader(range(50), batch_size=50, shuffle=True)
    segue.manual_seed(5)
    first, second = next(iter(loader)), next(iter(loader))
    segue.manual_seed(5)
    assert segue.equal(next(iter(loader)), first)
    assert not segue.equal(first, second) and sorted(first.tolist()) == list(range(50))
    own = segue.Generator().manual_seed(5)
    assert list(RandomSampler(range(50), own)) == first.tolist()


def test_collate():
    Point = namedtuple("Point", "x y")
    batch = default_collate([{"a": (1, 2.0), "p": Point(True, "u"), "n": np.float64(1)}, {"a": (3, 4.0), "p": Point(False, "v"), "n": np.float64(2)}])
    assert batch["a"][0].dtype is segue.int64 and batch["a"][1].tolist() == [2.0, 4.0]
    assert batch["p"].x.tolist() == [True, False] and batch["p"].y == ["u", "v"] and batch["n"].dtype is segue.float64
    with pytest.raises(TypeError, match="collate_fn"):
        default_collate([object()])
    with pytest.raises(RuntimeError, match="different numbers"):
        default_collate([[1], [1, 2]])


def test_own_collate_sampler_and_no_batches():
    assert list(DataLoader(range(4), batch_size=2, collate_fn=sum)) == [1, 5]
    assert [b.tolist() for b in DataLoader(range(4), batch_size=2, sampler=[3, 1])] == [[3, 1]]
    assert list(DataLoader(range(3), batch_size=None)) == [0, 1, 2]


def test_parts():
    data = TensorDataset(segue.arange(10))
    parts = random_split(data, [0.7, 0.3])
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(int(part[i][0]) for part in parts for i in range(len(part))) == list(range(10))
    assert Subset(data, [4, 2])[1][0].item() == 2
    joined = data + Subset(data, [0])
    assert isinstance(joined, ConcatDataset) and len(joined) == 11 and joined[10][0].item() == 0 and joined[-2][0].item() == 9
    with pytest.raises(IndexError, match="out of range"):
        joined[11]


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: DataLoader([1], num_workers=2), NotImplementedError, "num_workers=2"),
    (lambda: DataLoader([1], batch_size=0), ValueError, "positive"),
    (lambda: DataLoader([1], batch_size=None, drop_last=True), ValueError, "drop_last"),
    (lambda: DataLoader([1], sampler=[0], shuffle=True), ValueError, "not both"),
    (lambda: TensorDataset(segue.zeros(2), segue.zeros(3)), ValueError, "first dimension"),
    (lambda: TensorDataset(), ValueError, "at least one"),
    (lambda: random_split([1, 2], [1, 2]), ValueError, "add up"),
    (lambda: Dataset()[0], NotImplementedError, "__getitem__"),
])  # fmt: skip
def test_bad_input(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()
