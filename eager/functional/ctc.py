"""Connectionist temporal classification (Graves et al., 2006).

In come log-probabilities over time and label sequences, out goes the negative log-probability of the labels under all alignments. The one idea: the forward
recursion is written in tensors over the batch and the labels, one step for each time, so that its derivative, the backward recursion, follows by itself.
"""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..errors import error
from ..ops.definition import OPS
from ..sizes import BEYOND_SIZES
from ..tensor import Tensor
from .arguments import cast, known_true, widened
from .creation import tensor
from .devices import make
from .losses import reduced
from .pointwise import where
from .positions import runtime_size
from .selecting import take
from .shape import reshape


def _lengths(value: Any, name: str, count: int) -> Tensor:
    made = value if isinstance(value, Tensor) else tensor(list(value), dtype=dtypes.int64)
    if made.dtype.category != dtypes.INTEGER:
        raise error(RuntimeError, f"ctc_loss(): {name} must be integral, not {made.dtype}")
    if made.numel() != count:
        raise error(RuntimeError, f"ctc_loss(): {name} must be of size batch_size: {count} examples, but {made.numel()} lengths")
    return reshape(cast(made, dtypes.int64), (count,))


def _log_add(*terms: Tensor) -> Tensor:
    """log of the sum of exponentials, where all may be minus infinity."""
    greatest = terms[0].detach()
    for term in terms[1:]:
        greatest = OPS["maximum"](greatest, term.detach())
    greatest = where(greatest == -math.inf, 0.0, greatest)
    sums: Any = 0.0
    for term in terms:
        sums = sums + OPS["exp"](term - greatest)
    dead = sums == 0
    return where(dead, -math.inf, OPS["log"](where(dead, 1.0, sums)) + greatest)


def _padded(targets: Tensor, lengths: Tensor, count: int) -> Tensor:
    """Targets that stand one behind the other, as rows (N, S)."""
    if targets.ndim == 2 or not count:
        return cast(targets if targets.ndim == 2 else reshape(targets, (0, 0)), dtypes.int64)
    if not known_true(OPS["sum"](lengths, (0,), False) <= targets.shape[0]):
        raise error(RuntimeError, f"ctc_loss(): Expected the target lengths to sum up to {targets.shape[0]} targets, got {int(lengths.sum())}")
    widest = runtime_size(OPS["amax"](lengths, (0,), False), 0, BEYOND_SIZES, "the longest target")
    places = make("arange", targets.device, 0, 1, widest, dtypes.int64)
    starts = OPS["unsqueeze"](OPS["cumsum"](lengths, 0) - lengths, 1)
    within = places < OPS["unsqueeze"](lengths, 1)
    return cast(take(OPS["pad"](targets, (0, 1), 0), where(within, starts + places, targets.shape[0])), dtypes.int64)


def _behind(x: Tensor, by: int, width: Any, fill: float) -> Tensor:
    """The columns of x moved by some places, (N, width) as before."""
    return OPS["slice"](OPS["pad"](x, (by, 0), fill), 1, 0, width, 1)


@autocasts
@widened
def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
) -> Tensor:
    """-log P(targets | log_probs) for log_probs (T, N, C) or (T, C), targets (N, S) or one behind the other (sum of lengths).

    "mean" divides each loss by its target's length first. `zero_infinity` replaces infinite losses (targets too long for their input) by 0. As in
    PyTorch the gradient is that for normalised probabilities, exp(log_probs) - posterior, which behind log_softmax is the whole. Raises RuntimeError for
    lengths that do not fit and a blank outside the classes.
    """
    single = log_probs.ndim == 2
    if single:
        log_probs = OPS["unsqueeze"](log_probs, 1)
    steps, count, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise error(RuntimeError, f"ctc_loss(): blank must be in label range: {blank} for {classes} classes")
    times, sizes = _lengths(input_lengths, "input_lengths", count), _lengths(target_lengths, "target_lengths", count)
    if not known_true(OPS["logical_and"](times >= 0, times <= steps)):
        raise error(RuntimeError, f"ctc_loss(): Expected input_lengths to have value at most {steps} and at least 0, but got {times.tolist()}")
    labels = _padded(OPS["unsqueeze"](targets, 0) if single and targets.ndim == 1 else targets, sizes, count)
    longest = labels.shape[1]
    labels = where(make("arange", log_probs.device, 0, 1, longest, dtypes.int64) < OPS["unsqueeze"](sizes, 1), labels, blank)
    between = make("full", log_probs.device, (count, longest), blank, dtypes.int64)
    states = reshape(OPS["cat"]((OPS["unsqueeze"](between, 2), OPS["unsqueeze"](labels, 2)), 2), (count, 2 * longest))
    states = OPS["pad"](states, (0, 1), blank)  # blank, label, blank ... label, blank
    width = 2 * longest + 1
    mass = OPS["sum"](OPS["exp"](log_probs), (2,), True)
    log_probs = log_probs - (mass - mass.detach())
    emitted = OPS["gather"](log_probs, 2, OPS["expand"](OPS["unsqueeze"](states, 0), (steps, count, width)))
    skips = OPS["logical_and"](states != blank, states != _behind(states, 2, width, blank))
    place = make("arange", log_probs.device, 0, 1, width, dtypes.int64)
    alpha = where(place < 2, OPS["select"](emitted, 0, 0), -math.inf)
    for t in range(1, steps):
        following = _log_add(alpha, _behind(alpha, 1, width, -math.inf), where(skips, _behind(alpha, 2, width, -math.inf), -math.inf)) + OPS["select"](emitted, 0, t)
        alpha = where(OPS["unsqueeze"](times > t, 1), following, alpha)
    last = OPS["gather"](alpha, 1, OPS["unsqueeze"](2 * sizes, 1))
    before = OPS["gather"](alpha, 1, OPS["unsqueeze"](OPS["clamp_min"](2 * sizes - 1, 0), 1))
    before = where(OPS["unsqueeze"](sizes, 1) > 0, before, -math.inf)
    loss = reshape(-_log_add(last, before), (count,))
    if zero_infinity:
        loss = where(loss == math.inf, 0.0, loss)
    if reduction == "mean":
        loss = loss / cast(OPS["clamp_min"](sizes, 1), loss.dtype)
    return reduced(OPS["squeeze"](loss, (0,)) if single else loss, reduction)
