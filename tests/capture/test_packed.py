"""Packed sequences whose lengths differ from call to call: recurrent layers over them are one graph.

In come batches and their lengths, as tensors and as lists. The one idea: lengths in a tensor are data, so they fix nothing; those in a list are sizes that vary from the second call on.
"""

import pytest

import segue
from segue.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

LENGTHS = ([5, 3, 2], [6, 4, 2], [6, 6, 1], [1, 1, 1], [9, 8, 7], [3, 2, 1])
NETS = {
    "lstm": segue.nn.LSTM(3, 4, batch_first=True, bidirectional=True), "gru": segue.nn.GRU(3, 4, batch_first=True),
    "projected": segue.nn.LSTM(3, 4, batch_first=True, proj_size=2),
}  # fmt: skip


def through(net, enforce_sorted=True, **more):
    def program(x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=enforce_sorted)
        out, state = net(packed)
        padded, found = pad_packed_sequence(out, batch_first=True, **more)
        return padded, found, *(state if isinstance(state, tuple) else (state,))

    return program


def calls(program, turned=False, of=segue.tensor, backend="eager"):
    compiled = segue.compile(program, backend=backend, fullgraph=True)
    for lengths in LENGTHS:
        lengths = lengths[::-1] if turned else lengths
        x = segue.rand(3, max(lengths), 3)
        yield compiled, x, of(lengths)
    assert len(compiled.cache.settings.captured) == 2


@pytest.mark.parametrize(("name", "of"), [("gru", list), ("projected", segue.tensor)])
def test_any_lengths_need_two_graphs(name, of):
    program = through(NETS[name], enforce_sorted=False)
    for compiled, x, lengths in calls(program, turned=True, of=of):
        segue.testing.assert_close(compiled(x, lengths), program(x, lengths))


def test_gradients():
    net = NETS["lstm"]
    program = through(net)
    for compiled, x, lengths in calls(program):
        x.requires_grad_()
        (found, expected) = (segue.autograd.grad(sum((part * part).sum() for part in run(x, lengths)[::2]), [x, *net.parameters()]) for run in (compiled, program))
        segue.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_total_length_and_a_value():
    program = through(NETS["gru"], total_length=10, padding_value=-1.0)
    for compiled, x, lengths in calls(program):
        segue.testing.assert_close(compiled(x, lengths), program(x, lengths))


def test_a_packed_sequence_comes_in_and_goes_out():
    net = NETS["gru"]

    def program(packed, state):
        out, ended = net(packed, state)
        return PackedSequence(out.data * 2, out.batch_sizes), ended

    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for lengths in LENGTHS:
        packed = pack_padded_sequence(segue.rand(3, 9, 3), lengths, batch_first=True)
        found, expected = (run(packed, segue.ones(1, 3, 4)) for run in (compiled, program))
        segue.testing.assert_close(found[0].data, expected[0].data)
        segue.testing.assert_close(found[1], expected[1])
    assert len(compiled.cache.settings.captured) == 2


@pytest.mark.parametrize("lengths", [[3, 0, 0], [7, 2, 2], [2, 3, 1]])
def test_lengths_that_do_not_fit_raise_what_eager_mode_raises(lengths):
    def program(x, lengths):
        return pack_padded_sequence(x, lengths, batch_first=True)

    compiled = segue.compile(program, backend="eager")
    x = segue.rand(3, 5, 3)
    compiled(x, segue.tensor([3, 2, 2]))
    texts = []
    for run in (compiled, program):
        with pytest.raises(RuntimeError) as problem:
            run(x, segue.tensor(lengths))
        texts.append(str(problem.value))
    assert texts[0] == texts[1]
