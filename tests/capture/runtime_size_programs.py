"""Programs for test_runtime_sizes.py; here, since pytest rewrites the assertions of test files."""

import segue

F = segue.nn.functional
HANN, pad_sequence = segue.hann_window(8), segue.nn.utils.rnn.pad_sequence
EMBEDDING, LINEAR = segue.nn.Embedding(7, 3), segue.nn.Linear(4, 3)


def segment_sums(x, w):
    names, place = segue.unique((x[:, 0] * 2).long(), return_inverse=True)
    return segue.zeros(names.shape[0], 2).index_add(0, place, x @ w).square()


def masked_loss(x, w):
    chosen = x[:, 0] > 0
    return F.cross_entropy(LINEAR(x)[chosen], (x[:, 1] > 0).long()[chosen], reduction="sum") * w.sum()


def split_by_count(x, w):
    count = (x[:, 0] > 0).sum().item()
    return tuple((part @ w) * (i + 1) for i, part in enumerate(x.split([count, 5 - count])))


def split_by_list(x, w):
    first, second = segue.stack([(x[:, 0] > 0).sum(), (x[:, 0] <= 0).sum()]).tolist()
    return tuple((part @ w) * (i + 1) for i, part in enumerate(x.split([first, second])))


def assigned(x, w):
    y = x * w.sum()
    y[y > 0] = 0.5
    y[x[:, 0] > 0] = w.sum(1)
    y[x < 0] = y[x < 0] * 2
    return y


def twice(x, w):
    y = x[x[:, 0] > 0]
    return y[y.sum(1) > 0.3] @ w


def drawn_window(x, w):
    y = x @ w
    length = segue.randint(1, 4, (1,)).item()
    start = segue.randint(0, len(y) - length, (1,)).item()
    y[start : start + length] = 0
    return y


PROGRAMS = {  # name -> program of x (5, 4), of which all, some, one or no row begins with a positive number, and w (4, 2)
    "a mask": lambda x, w: (x[x > 0] * 2).sum() * w.sum(),
    "a mask returned": lambda x, w: x[x > 0] + 1,
    "two tensors under one mask": lambda x, w: x[x > 0] + (x * w.sum())[x > 0],
    "rows": lambda x, w: (x[x[:, 0] > 0] @ w).exp(),
    "columns": lambda x, w: x.t()[:, x[:, 0] > 0].sum(1) * w[:, 0],
    "nonzero": lambda x, w: (x > 0).nonzero() * 2,
    "nonzero as a tuple": lambda x, w: x[(x > 0).nonzero(as_tuple=True)] * w.sum(),
    "a gather at nonzero": lambda x, w: (x[x[:, 0].clamp(min=0).nonzero()[:, 0]] @ w).square(),
    "argwhere": lambda x, w: segue.argwhere(x > 0),
    "where": lambda x, w: segue.where(x > 0),
    "masked_select": lambda x, w: segue.masked_select(x, x > 0) * w.sum(),
    "masked_scatter": lambda x, w: x.masked_scatter(x > 0, x * 2) @ w,
    "unique": lambda x, w: segue.unique((x * 2).int(), return_inverse=True, return_counts=True),
    "unique rows": lambda x, w: segue.unique((x > 0).int(), dim=0, return_counts=True),
    "unique of a mask": lambda x, w: segue.unique((x[x > 0] * 2).int(), return_counts=True),
    "unique_consecutive": lambda x, w: segue.unique_consecutive((x * 2).int().ravel(), return_counts=True),
    "segments": segment_sums,
    "segments by bincount": lambda x, w: segue.zeros(segue.bincount((x[:, 0] > 0).long()).shape[0], 2).index_add(0, (x[:, 0] > 0).long(), x @ w),
    "repeat_interleave": lambda x, w: (segue.repeat_interleave(x, (x[:, 1] > 0).long() + 1, 0) @ w).sin(),
    "bincount": lambda x, w: segue.bincount((x.abs() * 3).long().ravel(), minlength=2),
    "embedding of chosen tokens": lambda x, w: EMBEDDING((x[:, 0].abs() * 2).long().clamp(max=6)[x[:, 0] > 0]) ** 2 * w.sum(),
    "a masked loss": masked_loss,
    "joined": lambda x, w: segue.cat([x[x[:, 0] > 0] * 2, x[x[:, 0] <= 0]]).matmul(w).cos(),
    "a mean": lambda x, w: (x[x[:, 0] > 0] @ w).sum() / ((x[:, 0] > 0).sum().item() + 1),
    "softmax over rows": lambda x, w: segue.cat([x[x[:, 0] > 0] @ w, w]).softmax(0),
    "layer_norm": lambda x, w: F.layer_norm(x[x[:, 0] > 0], (4,)) @ w,
    "dropout": lambda x, w: F.dropout(x[x[:, 0] > 0], 0.5) @ w,
    "sort": lambda x, w: x[x > 0].sort(descending=True).values * w.sum(),
    "rolled": lambda x, w: (x[x[:, 0] > 0] @ w).roll((1, -3), (0, 1)),
    "the first of an order": lambda x, w: (lambda y: y[y[:, 0].argsort(descending=True)[:3]] @ w)(x[x[:, 0] > 0]),
    "as many as there are": lambda x, w: x[:, 0].topk((x[:, 0] > 0).sum().item()).values * w.sum(),
    "assignments": assigned,
    "a slice": lambda x, w: x[: (x[:, 0] > 0).sum().item()] @ w,
    "a slice from behind": lambda x, w: x[-(x[:, 0] > 0).sum().item() :] @ w,
    "a slice by a tensor": lambda x, w: x[: (x[:, 0] > 0).sum()] @ w,
    "one row": lambda x, w: x[(x[:, 0] > 0).sum().item() % 5] @ w,
    "a row counted from behind": lambda x, w: x[(x[:, 0] > 0).sum().item() % 5 - 3] @ w,
    "arange": lambda x, w: segue.arange((x[:, 0] > 0).sum().item()).float() * w.sum(),
    "zeros": lambda x, w: segue.zeros((x[:, 0] > 0).sum().item(), 3),
    "split": split_by_count,
    "split by tolist": split_by_list,
    "shapes returned": lambda x, w: (x[x > 0].shape[0], x[x > 0].numel() * 2 + 1, len(x[x > 0]), tuple(x[x[:, 0] > 0].shape)),
    "a view": lambda x, w: (x[x[:, 0] > 0] @ w).view(-1),
    "views": lambda x, w: (lambda y: (y, y.t(), y[1:], y.reshape(-1, 1)))(x[x[:, 0] > 0] @ w),
    "a mask of a mask": twice,
    "max with a number": lambda x, w: x[: max((x[:, 0] > 0).sum().item(), 2)] @ w,
    "softmax of a product": lambda x, w: (x[x[:, 0] > 0] @ w @ w.T @ x[x[:, 0] > 0].T).softmax(-1),
    "a convolution": lambda x, w: F.conv1d(F.pad(x[x[:, 0] > 0].T[None], (1, 1)), w.T[:, :, None].expand(2, 4, 2)),
    "max pooling": lambda x, w: F.max_pool1d(segue.cat([x[x[:, 0] > 0] @ w, w]).T[None], 2),
    "linspace": lambda x, w: segue.linspace(0, 1, (x[:, 0] > 0).sum().item()) * w.sum(),
    "one_hot": lambda x, w: F.one_hot((x[:, 0] > 0).long().cumsum(0)) * w.sum(),
    "quantile": lambda x, w: segue.cat([x[x[:, 0] > 0] @ w, w]).quantile(0.5, 0),
    "rows of a table": lambda x, w: (x.tile(3, 1)[: len(x[x[:, 0] > 0])] + x[x[:, 0] > 0]) @ w,
    "bins as a list": lambda x, w: [(part @ w) * (i + 1) for i, part in enumerate(x.split(segue.bincount((x[:, 0] > 0).long(), minlength=2).tolist()))],
    "groups": lambda x, w: segue.zeros(2, 4).index_add(0, segue.repeat_interleave(segue.arange(2), segue.stack([(x[:, 0] > 0).sum(), (x[:, 0] <= 0).sum()])), x) @ w,
    "padded sequences": lambda x, w: pad_sequence([x[x[:, 0] > 0] @ w, x[x[:, 0] <= 0] @ w, w.T.reshape(4, 2)], batch_first=True, padding_value=0.5),
    "padded on the left": lambda x, w: pad_sequence(x.split(segue.bincount((x[:, 0] > 0).long(), minlength=2).tolist()), padding_side="left") @ w,
    "a mask with a dimension of one": lambda x, w: (lambda y: y.masked_scatter(y.sum(1, keepdim=True) > 0, x.tile(2, 1)) @ w)(x[x[:, 0] > 0]),
    "bins, as many as there are rows": lambda x, w: segue.bincount((x[:, 1] > 0).long(), minlength=len(x[x[:, 0] > 0])),
    "a window that is drawn": drawn_window,
    "histc": lambda x, w: segue.histc(x, 6) * w.sum() + segue.histc((x > 5).long(), 6),
    "istft": lambda x, w: segue.istft(segue.stft(x.reshape(-1), 8, 2, window=HANN, return_complex=True), 8, 2, window=HANN, length=20) * w.sum(),
    "expand": lambda x, w: w.sum().expand((x[:, 0] > 0).sum().item(), 3) * 2,
}


def checked(x):
    n = (x > 0).sum().item()
    segue._check_is_size(n, max=4)
    segue._check(n > 1, lambda: "too few")
    y = x[x > 0] if n != 1 else x
    assert n != 3, "three"
    return y.expand(2, n) * 2, n > 2, not n > 2, n == 3


def caught(x):
    try:
        assert (x > 0).sum().item() > 1
        return x * 2
    except AssertionError:
        return x * 3
