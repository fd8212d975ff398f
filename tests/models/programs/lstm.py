"""An LSTM language model with tied weights, trained by truncated backpropagation: the state is detached and carried on.

Zaremba et al. 2014, "Recurrent neural network regularization"; Press and Wolf 2016, "Using the output embedding".
"""

import torch
import torch.nn as nn
import torch.nn.functional as F


class RNNModel(nn.Module):
    """An encoder, a recurrent module, and a decoder."""

    def __init__(self, ntoken, ninp, nhid, nlayers, dropout=0.0, tie_weights=False):
        super().__init__()
        self.ntoken = ntoken
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            if nhid != ninp:
                raise ValueError("When using the tied flag, nhid must be equal to emsize")
            self.decoder.weight = self.encoder.weight
        self.init_weights()
        self.nhid = nhid
        self.nlayers = nlayers

    def init_weights(self):
        initrange = 0.1
        nn.init.uniform_(self.encoder.weight, -initrange, initrange)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.ntoken)
        return F.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (weight.new_zeros(self.nlayers, bsz, self.nhid), weight.new_zeros(self.nlayers, bsz, self.nhid))


def repackage_hidden(h):
    """The same values, detached from their history."""
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


class Job:
    """A model, its optimizer, and one step of training."""

    def __init__(self):
        self.model = RNNModel(37, 16, 16, 2, tie_weights=True)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5)
        self.criterion = nn.NLLLoss()
        self.hidden = self.model.init_hidden(3)

    def batch(self, rng):
        tokens = rng.integers(0, 37, (7, 3))
        return torch.from_numpy(tokens[:-1].copy()), torch.from_numpy(tokens[1:].reshape(-1).copy())

    def step(self, data, targets):
        self.model.zero_grad()
        self.hidden = repackage_hidden(self.hidden)
        output, self.hidden = self.model(data, self.hidden)
        loss = self.criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.25)
        self.optimizer.step()
        return loss
