"""`AdaptiveLogSoftmaxWithLoss`: a softmax over very many classes, the rare ones in clusters of smaller features.

In come features and class numbers ordered by how frequent they are, out go log-probabilities and the loss. The one idea (Grave, Joulin, Cisse, Grangier and
Jegou 2016, "Efficient softmax approximation for GPUs"): the head decides between the frequent classes and the clusters, each cluster between its own.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from ..functional.creation import zeros
from ..functional.indexing import index_copy
from ..functional.joining import cat
from ..tensor import Tensor
from . import functional as F
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module

ASMoutput = namedtuple("ASMoutput", ("output", "loss"))


class AdaptiveLogSoftmaxWithLoss(Module):
    """(output, loss) for features (N, in_features) and classes (N): the log-probability of each class, and their mean, negative.

    `cutoffs` are the class numbers at which clusters begin; cluster i works on in_features // div_value ** (i + 1) features. Raises ValueError for cutoffs that
    do not rise, RuntimeError for shapes that do not fit and classes out of range.
    """

    def __init__(self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0, head_bias: bool = False, device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        marks = list(cutoffs)
        if not marks:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if marks != sorted(set(marks)) or min(marks) <= 0 or max(marks) > n_classes - 1 or any(int(c) != c for c in marks):
            raise ValueError("cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is between 1 and n_classes-1")
        self.in_features, self.n_classes, self.div_value, self.head_bias = in_features, n_classes, div_value, head_bias
        self.cutoffs = [*marks, n_classes]
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        options = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **options)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(zip(self.cutoffs, self.cutoffs[1:])):
            hidden = int(in_features // (div_value ** (i + 1)))
            self.tail.append(Sequential(Linear(in_features, hidden, bias=False, **options), Linear(hidden, high - low, bias=False, **options)))

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.head.reset_parameters()
        for first, second in self.tail:  # type: ignore[misc, attr-defined]
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> Any:
        input, target = input_, target_  # noqa: A001
        batched = target.ndim > 0
        if target.ndim == 1 and input.shape[0] != target.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if target.ndim > 1 or input.ndim != target.ndim + 1:
            raise RuntimeError("1D target tensor expects 2D input tensors, 0D target tensor a 1D input tensor, but found inputs with sizes "
                               f"{tuple(input.shape)} and {tuple(target.shape)}")  # fmt: skip
        x, classes = (input, target) if batched else (input.unsqueeze(0), target.unsqueeze(0))
        if bool(((classes < 0) | (classes >= self.n_classes)).any()):
            raise RuntimeError(f"Target values should be in [0, {self.n_classes - 1}], but values in range [{int(classes.min())}, {int(classes.max())}] were found.")
        head = F.log_softmax(self.head(x), dim=1)
        gate = classes.clamp(max=self.shortlist_size - 1)
        within = zeros(len(classes), dtype=head.dtype, device=head.device)
        for i, (low, high) in enumerate(zip(self.cutoffs, self.cutoffs[1:])):
            rows = ((classes >= low) & (classes < high)).nonzero().squeeze(1)
            if rows.numel():
                chosen = classes.index_select(0, rows) - low
                scores = F.log_softmax(self.tail[i](x.index_select(0, rows)), dim=1)
                within = index_copy(within, 0, rows, scores.gather(1, chosen.unsqueeze(1)).squeeze(1))
                gate = gate.index_fill(0, rows, self.shortlist_size + i)
        output = within + head.gather(1, gate.unsqueeze(1)).squeeze(1)
        return ASMoutput(output if batched else output.squeeze(0), (-output).mean())

    def _full(self, input: Tensor, head: Tensor) -> Tensor:
        parts = [F.log_softmax(head, dim=1)]
        found = [parts[0][:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            place = self.shortlist_size + i
            found.append(F.log_softmax(self.tail[i](input), dim=1) + parts[0][:, place : place + 1])
        return cat(found, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) -> (N, n_classes)."""
        return self._full(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row."""
        return self.log_prob(input).argmax(1)
