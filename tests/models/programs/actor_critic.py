"""Actor-critic on one finished episode: discounted returns by a Python loop, log-probabilities, advantages.

Sutton and Barto 2018, "Reinforcement learning", section 13.5.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical


class Policy(nn.Module):
    """The actor and the critic in one model."""

    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 16)
        self.action_head = nn.Linear(16, 2)
        self.value_head = nn.Linear(16, 1)

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


class Job:
    """A model, its optimizer, and one step of training."""

    gamma = 0.99

    def __init__(self):
        self.model = Policy()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=3e-2)
        self.eps = 1e-6

    def batch(self, rng):
        states = torch.from_numpy(rng.standard_normal((6, 4)).astype("float32"))
        return states, torch.from_numpy(rng.integers(0, 2, 6)), torch.from_numpy(rng.random(6, dtype="float32"))

    def step(self, states, actions, rewards):
        saved = []
        for state, action in zip(states, actions):
            probs, state_value = self.model(state)
            saved.append((Categorical(probs).log_prob(action), state_value))
        R, returns = 0, []
        for i in range(len(rewards) - 1, -1, -1):
            R = rewards[i] + self.gamma * R
            returns.insert(0, R)
        returns = torch.stack(returns)
        returns = (returns - returns.mean()) / (returns.std() + self.eps)
        policy_losses, value_losses = [], []
        for (log_prob, value), ret in zip(saved, returns):
            advantage = ret - value.squeeze(0).detach()
            policy_losses.append(-log_prob * advantage)
            value_losses.append(F.smooth_l1_loss(value, ret.reshape(1)))
        self.optimizer.zero_grad()
        loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
        loss.backward()
        self.optimizer.step()
        return loss
