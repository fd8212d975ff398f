"""Data sets, samplers and the loader."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import segue
from segue.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
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
    own = [list(RandomSampler(range(50), generator=segue.Generator().manual_seed(5))) for _ in range(2)]
    assert own[0] == own[1] and sorted(own[0]) == list(range(50))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_has_a_length_and_ends_when_it_is_told(workers):
    loader = DataLoader(list(range(5)), batch_size=2, num_workers=workers)
    epoch = iter(loader)
    assert len(epoch) == len(loader) == 3 and iter(epoch) is epoch and next(epoch).tolist() == [0, 1]
    if workers:
        epoch.__del__()
        epoch.__del__()


def test_collate():
    Point = namedtuple("Point", "x y")
    batch = default_collate([{"a": (1, 2.0), "p": Point(True, "u"), "n": np.float64(1)}, {"a": (3, 4.0), "p": Point(False, "v"), "n": np.float64(2)}])
    assert batch["a"][0].dtype is segue.int64 and batch["a"][1].tolist() == [2.0, 4.0]
    assert batch["p"].x.tolist() == [True, False] and batch["p"].y == ("u", "v") and batch["n"].dtype is segue.float64
    with pytest.raises(TypeError, match="collate_fn"):
        default_collate([object()])
    with pytest.raises(RuntimeError, match="equal size"):
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
    (lambda: DataLoader([1], batch_size=0), ValueError, "positive"),
    (lambda: DataLoader([1], batch_size=None, drop_last=True), ValueError, "drop_last"),
    (lambda: DataLoader([1], sampler=[0], shuffle=True), ValueError, "mutually exclusive"),
    (lambda: TensorDataset(segue.zeros(2), segue.zeros(3)), AssertionError, "first dimension"),
    (lambda: TensorDataset(), ValueError, "at least one"),
    (lambda: random_split([1, 2], [1, 2]), ValueError, "add up"),
    (lambda: Dataset()[0], NotImplementedError, "__getitem__"),
])  # fmt: skip
def test_bad_input(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


# ---------------------------------------------------------------------------------------------------------------- samplers and the other data sets


def test_samplers():
    segue.manual_seed(0)
    assert len(RandomSampler(range(3), num_samples=8)) == 8
    order = list(RandomSampler(range(3), num_samples=8))
    assert sorted(order[:3]) == sorted(order[3:6]) == [0, 1, 2] and len(order) == 8
    assert set(RandomSampler(range(3), replacement=True, num_samples=100)) == {0, 1, 2}
    assert sorted(SubsetRandomSampler([4, 7, 9])) == [4, 7, 9]
    drawn = list(WeightedRandomSampler([0.0, 1.0, 3.0], 400))
    assert 0 not in drawn and 250 < drawn.count(2) < 350
    assert sorted(WeightedRandomSampler([1.0, 0.5, 2.0], 3, replacement=False)) == [0, 1, 2]
    assert list(BatchSampler(SequentialSampler(range(5)), 2, True)) == [[0, 1], [2, 3]]
    parts = [DistributedSampler(range(7), 3, rank, shuffle=False) for rank in range(3)]
    assert [list(part) for part in parts] == [[0, 3, 6], [1, 4, 0], [2, 5, 1]]
    assert [len(DistributedSampler(range(7), 3, rank, drop_last=True)) for rank in range(3)] == [2, 2, 2]
    shuffled = DistributedSampler(range(50), 2, 0, seed=3)
    first = list(shuffled)
    shuffled.set_epoch(1)
    assert first != list(shuffled) and first == list(DistributedSampler(range(50), 2, 0, seed=3))
    assert not set(first) & set(DistributedSampler(range(50), 2, 1, seed=3))


class Numbers(IterableDataset):
    def __init__(self, *numbers):
        self.numbers = numbers

    def __iter__(self):
        return iter(self.numbers)

    def __len__(self):
        return len(self.numbers)


def test_stacked_chained_and_batched_data_sets():
    assert StackDataset([1, 2], ["a", "b"])[1] == (2, "b") and len(StackDataset(x=[1, 2])) == 2
    chain = Numbers(1, 2) + Numbers(3)
    assert isinstance(chain, ChainDataset) and list(chain) == [1, 2, 3] and len(chain) == 3

    class AtOnce(Dataset):
        asked: list = []

        def __getitems__(self, indices):
            self.asked.append(indices)
            return [10 * i for i in indices]

        def __len__(self):
            return 4

    data = Subset(AtOnce(), [3, 1, 0])
    assert [b.tolist() for b in DataLoader(data, batch_size=2)] == [[30, 10], [0]] and AtOnce.asked == [[3, 1], [0]]
    assert [b["a"].tolist() for b in DataLoader(StackDataset(a=data, b=[1, 2, 3]), batch_size=3)] == [[30, 10, 0]]
    assert [b.tolist() for b in DataLoader(range(4), batch_sampler=[[3, 2], [1]])] == [[3, 2], [1]]


def test_convert_and_kinds_of_collections():
    assert default_convert({"a": np.ones(1), "b": (1, "x")}) == {"a": segue.ones(1).double(), "b": [1, "x"]}
    ordered = default_collate([OrderedDict(a=1, b=2.0), OrderedDict(a=3, b=4.0)])
    assert type(ordered) is OrderedDict and ordered["b"].dtype is segue.float64
    assert default_collate([b"a", b"b"]) == [b"a", b"b"] and default_collate([np.float32(1), np.float32(2)]).dtype is segue.float32
    assert [t.tolist() for t in default_collate([range(2), range(2)])] == [[0, 0], [1, 1]]
    with pytest.raises(TypeError, match="<U1"):
        default_collate([np.array(["a"])])


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: RandomSampler([1], replacement=1), TypeError, "replacement"),
    (lambda: RandomSampler([1], num_samples=0), ValueError, "num_samples"),
    (lambda: DataLoader([], shuffle=True), ValueError, "num_samples=0"),
    (lambda: WeightedRandomSampler([[1.0]], 1), ValueError, "1d"),
    (lambda: WeightedRandomSampler([1.0], 0), ValueError, "num_samples"),
    (lambda: BatchSampler([1], 0, False), ValueError, "batch_size"),
    (lambda: BatchSampler([1], 1, 0), ValueError, "drop_last"),
    (lambda: DistributedSampler([1]), RuntimeError, "num_replicas"),
    (lambda: DistributedSampler([1], 2, 2), ValueError, "rank"),
    (lambda: StackDataset([1], [1, 2]), ValueError, "mismatch"),
    (lambda: StackDataset(), ValueError, "At least one"),
    (lambda: ConcatDataset([]), AssertionError, "empty"),
    (lambda: ConcatDataset([Numbers(1)]), AssertionError, "IterableDataset"),
    (lambda: list(ChainDataset([[1]])), TypeError, "IterableDataset"),
    (lambda: len(DataLoader(Numbers.__bases__[0]())), TypeError, "len"),
])  # fmt: skip
def test_bad_samplers_and_data_sets(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()
