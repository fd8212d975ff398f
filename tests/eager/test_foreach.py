"""`_foreach_*`, `Tensor.new`, `segment_reduce` and `overrides`: names that hand-written optimizers and older code call."""

import numpy as np
import pytest

import segue
from segue import overrides
from segue.eager.functional.foreach import BINARY, FOREACH, UNARY

RNG = np.random.default_rng(0)


def _list():
    return [segue.tensor(RNG.random(shape, dtype="f") / 2 + 0.2) for shape in ((3,), (2, 2), ())]


@pytest.mark.parametrize("kind", UNARY + BINARY + ["addcmul", "addcdiv"])
def test_each_is_the_tensors_own_method(kind):
    few = _list()
    rest = () if kind in UNARY else (_list(), _list()) if kind in ("addcmul", "addcdiv", "lerp") else (_list(),)
    expected = [getattr(x, kind)(*row) for x, *row in zip(few, *rest)]
    found = FOREACH[f"_foreach_{kind}"](few, *rest)
    assert type(found) is tuple and FOREACH[f"_foreach_{kind}_"](few, *rest) is few
    for ours, changed, theirs in zip(found, few, expected):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        np.testing.assert_array_equal(changed.numpy(), theirs.numpy())


def test_numbers_beside_tensors():
    one, two = segue.tensor([1.0, 2.0]), segue.tensor([3.0])
    assert [x.tolist() for x in segue._foreach_add([one, two], 1)] == [[2, 3], [4]]
    assert [x.tolist() for x in segue._foreach_mul([one, two], [2, 3])] == [[2, 4], [9]]
    assert [x.tolist() for x in segue._foreach_add([one, two], [one, two], alpha=10)] == [[11, 22], [33]]
    assert [x.tolist() for x in segue._foreach_pow(2.0, [one, two])] == [[2, 4], [8]]
    assert [x.tolist() for x in segue._foreach_maximum([one, two], 1.5)] == [[1.5, 2], [3]]
    assert [x.tolist() for x in segue._foreach_addcmul([one, two], [one, two], [one, two], segue.tensor([1.0, 2.0]))] == [[2, 6], [21]]
    assert [x.item() for x in segue._foreach_norm([one, two], float("inf"))] == [2, 3]
    assert [x.item() for x in segue._foreach_max([one, two])] == [2, 3]
    segue._foreach_zero_([two])
    assert two.tolist() == [0] and [x.tolist() for x in segue._foreach_clone([two])] == [[0]]


def test_nothing_is_changed_by_lists_that_do_not_fit():
    one, two = segue.ones(2), segue.ones(2)
    for call, kind in (
        (lambda: segue._foreach_add_([one, two], [one, segue.ones(3)]), RuntimeError), (lambda: segue._foreach_mul_([one, two], [2.0]), RuntimeError),
        (lambda: segue._foreach_add_([one, two], [one]), RuntimeError), (lambda: segue._foreach_mul_([one, two], [2.0, segue.ones(2, 2)]), RuntimeError),
        (lambda: segue._foreach_copy_([one, two], [two * 2, segue.ones(3)]), RuntimeError), (lambda: segue._foreach_sqrt([]), RuntimeError),
        (lambda: segue._foreach_add_(one, 1), TypeError),
    ):  # fmt: skip
        with pytest.raises(kind, match="_foreach"):
            call()
    assert one.tolist() == two.tolist() == [1, 1]


def test_an_average_of_weights_is_captured_whole():
    def average(kept, now):
        segue._foreach_lerp_(kept, now, 0.25)
        return segue._foreach_norm(kept)

    kept, also, now = [segue.zeros(3), segue.zeros(2)], [segue.zeros(3), segue.zeros(2)], [segue.ones(3), 2 * segue.ones(2)]
    expected = average(kept, now)
    found = segue.compile(average, fullgraph=True, backend="eager")(also, now)
    for ours, theirs in zip((*found, *also), (*expected, *kept)):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_new_and_segments():
    x = segue.ones(2, 3, dtype=segue.int64)
    assert x.new(4, 1).shape == (4, 1) and x.new().shape == (0,) and x.new(x.size()).shape == (2, 3)
    made = x.new([5, 6])
    assert made.dtype is segue.int64 and made.tolist() == [5, 6]
    assert segue.segment_reduce(segue.arange(5.0), "max", lengths=segue.tensor([2, 3])).tolist() == [1, 4]


def test_functions_that_ask_for_overrides():
    class Base:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    class Own(Base):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__, types, args

    plain = (segue.ones(2), 1, Own)
    assert not overrides.has_torch_function(plain) and not overrides.has_torch_function_unary(plain[0])
    assert overrides.has_torch_function_variadic(1, Base()) and overrides.is_tensor_like(Own()) and overrides.is_tensor_like(plain[0])
    assert overrides.handle_torch_function(segue.add, (Base(), Own()), 1, 2) == ("add", (Own, Base), (1, 2))
    with pytest.raises(TypeError, match="no implementation found"):
        overrides.handle_torch_function(segue.add, (Base(),))
