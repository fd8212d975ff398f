"""L-BFGS (Liu and Nocedal 1989), with a line search for the strong Wolfe conditions.

In comes a closure that computes the loss and its gradients anew, out go parameters changed in place. The one idea: all parameters are one flat
vector; the inverse Hessian is a short list of (step, change of gradient) pairs. How often the closure runs depends on values, so the step itself is
not one graph: in a compiled program it runs eagerly, and the closure is compiled (capture/frame.py leaves this file out).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..autograd.mode import enable_grad, no_grad
from ..functional import cat
from ..functional.creation import zeros
from ..tensor import Tensor
from .optimizer import Group, Optimizer, check_at_least, decides_by_values

ARMIJO, CURVATURE = 1e-4, 0.9  # the two constants of the Wolfe conditions
MOST_SEARCHES = 25


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the searched line: the step size, the loss, the gradient, and the slope along the line."""

    step: float
    loss: float
    gradient: Tensor
    slope: float


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """The minimum of the cubic through two points and their slopes, within bounds (Nocedal and Wright, Numerical Optimization, eq. 3.59)."""
    low, high = bounds or (min(a.step, b.step), max(a.step, b.step))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = d1**2 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2
    d2 = square**0.5
    left, right = (a, b) if a.step <= b.step else (b, a)
    place = right.step - (right.step - left.step) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(place, low), high)


class WolfeSearch:
    """The search of Nocedal and Wright, algorithms 3.5 (bracket) and 3.6 (zoom). `evaluate(step)` gives loss and gradient, `start` is step 0."""

    def __init__(self, evaluate: Callable[[float], tuple[float, Tensor]], direction: Tensor, start: Point, tolerance: float) -> None:
        self.evaluate, self.direction, self.start, self.tolerance = evaluate, direction, start, tolerance
        self.calls = self.rounds = 0

    def at(self, step: float) -> Point:
        """Evaluate one step size."""
        self.calls += 1
        loss, gradient = self.evaluate(step)
        return Point(step, loss, gradient, float(gradient.dot(self.direction)))

    def too_high(self, point: Point) -> bool:
        """Whether the loss has not fallen enough (Armijo)."""
        return point.loss > self.start.loss + ARMIJO * point.step * self.start.slope

    def flat(self, point: Point) -> bool:
        """Whether the slope is small enough (curvature)."""
        return abs(point.slope) <= -CURVATURE * self.start.slope

    def bracket(self, step: float) -> list[Point]:
        """One point that fulfils both conditions, or two with such a point between them."""
        before, now = self.start, self.at(step)
        while self.rounds < MOST_SEARCHES:
            if self.too_high(now) or (self.rounds > 1 and now.loss >= before.loss):
                return [before, now]
            if self.flat(now):
                return [now]
            if now.slope >= 0:
                return [before, now]
            step = cubic_minimum(before, now, (now.step + 0.01 * (now.step - before.step), now.step * 10))
            before, now = now, self.at(step)
            self.rounds += 1
        return [self.start, now]

    def run(self, step: float) -> Point:
        """The point found, the best one where the search ends early."""
        ends = self.bracket(step)
        if len(ends) == 1:
            return ends[0]
        size = float(self.direction.abs().max())
        stuck = False
        low, high = (0, 1) if ends[0].loss <= ends[1].loss else (1, 0)
        while self.rounds < MOST_SEARCHES and abs(ends[1].step - ends[0].step) * size >= self.tolerance:
            step, stuck = self.inside(ends, stuck)
            now = self.at(step)
            self.rounds += 1
            if self.too_high(now) or now.loss >= ends[low].loss:
                ends[high] = now
                low, high = (0, 1) if ends[0].loss <= ends[1].loss else (1, 0)
                continue
            if self.flat(now):
                return now
            if now.slope * (ends[high].step - ends[low].step) >= 0:
                ends[high] = ends[low]
            ends[low] = now
        return ends[low]

    @staticmethod
    def inside(ends: list[Point], stuck: bool) -> tuple[float, bool]:
        """The next step size to try; one too near an end twice running is moved a tenth of the bracket away from it."""
        step = cubic_minimum(ends[0], ends[1])
        least, most = min(end.step for end in ends), max(end.step for end in ends)
        margin = 0.1 * (most - least)
        if min(most - step, step - least) >= margin:
            return step, False
        if stuck or step >= most or step <= least:
            return (most - margin if abs(step - most) < abs(step - least) else least + margin), False
        return step, True


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last `history_size` changes of the gradient. `step(closure)` runs up to `max_iter` of them.

    `line_search_fn` is None (steps of size lr) or "strong_wolfe". Raises ValueError for more than one parameter group.

    >>> import segue
    >>> x = segue.tensor([-1.0, 2.0], requires_grad=True)
    >>> optimizer = LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 10 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3):
    ...     _ = optimizer.step(closure)
    >>> segue.allclose(x.detach(), segue.ones(2), atol=1e-3)
    True
    """

    takes_complex = False

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1, max_iter: int = 20, max_eval: int | None = None, tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9, history_size: int = 100, line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError(f"line_search_fn is 'strong_wolfe' or None, not {line_search_fn!r}")
        super().__init__(params, dict(
            lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval, tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change, history_size=history_size, line_search_fn=line_search_fn,
        ))  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS takes its parameters in one group: it has one direction for all of them")
        self._params: list[Tensor] = self.param_groups[0]["params"]

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """Counters, held by the first parameter for all."""
        return {"func_evals": 0, "n_iter": 0} if parameter is self._params[0] else {}

    def _gradient(self) -> Tensor:
        found = [zeros(p.numel(), dtype=p.dtype, device=p.device) if p.grad is None else p.grad.reshape(-1) for p in self._params]
        return cat(found).detach()

    def _move(self, step: float, direction: Tensor) -> None:
        start = 0
        for parameter in self._params:
            end = start + parameter.numel()
            parameter.add_(step * direction[start:end].reshape(tuple(parameter.shape)))
            start = end

    @decides_by_values
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to `max_iter` iterations, each with one or more calls of `closure`. Returns the first loss. Raises TypeError without a closure."""
        if closure is None:
            raise TypeError("LBFGS.step() needs a closure that computes the loss and its gradients anew")
        given = self._before_step(closure)
        self.prepare()
        with no_grad():
            loss = self._iterate(closure)
        self._after_step(given)
        return loss

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group, state = self.param_groups[0], self.state[self._params[0]]
        rate, tolerance = float(group["lr"]), group["tolerance_change"]

        def evaluate() -> tuple[Any, float, Tensor]:
            with enable_grad():
                value = closure()
            state["func_evals"] += 1
            return value, float(value), self._gradient()

        first, loss, gradient = evaluate()
        begun = state["func_evals"] - 1
        if float(gradient.abs().max()) <= group["tolerance_grad"]:
            return first
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(state, gradient, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"] = gradient, loss
            size = min(1.0, 1.0 / float(gradient.abs().sum())) * rate if state["n_iter"] == 1 else rate
            slope = float(gradient.dot(direction))
            state["d"], state["t"] = direction, size
            if slope > -tolerance:
                break
            if group["line_search_fn"]:
                point = self._search(evaluate, direction, Point(0.0, loss, gradient, slope), size, tolerance)
                size, loss, gradient = point.step, point.loss, point.gradient
                self._move(size, direction)
            else:
                self._move(size, direction)
                if iteration != group["max_iter"]:
                    _, loss, gradient = evaluate()
            state["t"] = size
            if (
                iteration == group["max_iter"]
                or state["func_evals"] - begun >= group["max_eval"]
                or float(gradient.abs().max()) <= group["tolerance_grad"]
                or float((direction * size).abs().max()) <= tolerance
                or abs(loss - state["prev_loss"]) < tolerance
            ):
                break
        return first

    def _search(self, evaluate: Callable, direction: Tensor, start: Point, size: float, tolerance: float) -> Point:
        origin = [parameter.clone() for parameter in self._params]

        def restored() -> None:
            for parameter, value in zip(self._params, origin):
                parameter.copy_(value)

        def at(step: float) -> tuple[float, Tensor]:
            self._move(step, direction)
            _, loss, gradient = evaluate()
            restored()
            return loss, gradient

        return WolfeSearch(at, direction, start, tolerance).run(size)

    @staticmethod
    def _direction(state: dict[str, Any], gradient: Tensor, history: int) -> Tensor:
        """The two-loop recursion: minus the inverse Hessian of the pairs kept, times the gradient."""
        if state["n_iter"] == 1:
            state["old_dirs"], state["old_stps"], state["ro"], state["H_diag"] = [], [], [], 1.0
            return -gradient
        changes, steps, factors = state["old_dirs"], state["old_stps"], state["ro"]
        change, step = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        product = change.dot(step)
        if float(product) > 1e-10:
            if len(changes) == history:
                for kept in (changes, steps, factors):
                    kept.pop(0)
            changes.append(change)
            steps.append(step)
            factors.append(1.0 / product)
            state["H_diag"] = product / change.dot(change)
        found = -gradient
        weights = []
        for y, s, factor in zip(reversed(changes), reversed(steps), reversed(factors)):
            weights.append(s.dot(found) * factor)
            found = found - weights[-1] * y
        found = found * state["H_diag"]
        for y, s, factor, weight in zip(changes, steps, factors, reversed(weights)):
            found = found + s * (weight - y.dot(found) * factor)
        return found
