"""Finished programs on disk: what lowering, scheduling and printing made of a graph, found again by what the graph is.

In comes a graph as it was captured, out comes the `Program` that this or another process made of an equal one, or its `Plan` (plans.py). The one idea: a program is a function of
the graph, the knobs that steer it, this package's own code and the compiler, so the digest of just these is its key, and a second process runs neither
passes nor lowering. Whatever the key cannot name (see graph/identity.py), or whatever asked something about sizes on the way, is not kept.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable

from ..eager.config import config
from ..eager.log import log
from ..eager.stats import stats
from ..graph.cache import current, digest, own_code
from ..graph.identity import identity
from ..graph.ir import Graph
from .plans import Plan
from .toolchain import toolchain
from .translation import Program

KIND = "program"
ROOMS = ("eager", "graph", "inductor")  # whose code decides what a program is
KNOBS = ("fusion", "numerics", "memory_budget")  # those that change a program; the toolchain's identity holds the compiler's
CONSTANT_BYTES = 16 << 20  # a program with more constants than this is not kept


def key_of(graph: Graph) -> str | None:
    """The content address of a graph's program; None for a graph that is not kept. Raises BuildError where there is no compiler."""
    if config.verify:  # every pass is to be run and checked
        return None
    code, pieces = own_code(ROOMS), identity(graph)
    if code is None or pieces is None:
        return None
    knobs = (f"{name}={getattr(config, name)}" for name in KNOBS)
    return digest([KIND, code, toolchain().identity, *knobs, *pieces])


def find_or_make(graph: Graph, make: Callable[[], Program | Plan | None]) -> tuple[Program | Plan | None, str | None]:
    """The program of a graph from the cache, else what `make` gives (None: nothing to keep), which is kept; and the key, where the program is kept."""
    key = key_of(graph)
    found = None if key is None else find(key)
    if found is not None:
        return found, key
    asked = _questions(graph)
    made = make()
    if key is not None and made is not None and _questions(graph) == asked and _bytes(made) <= CONSTANT_BYTES:
        current().put(KIND, key, pickle.dumps(made, pickle.HIGHEST_PROTOCOL))
        return made, key
    return made, None


def _bytes(made: Program | Plan) -> int:
    """What its constants take."""
    return len(made.graph) if isinstance(made, Plan) else sum(array.nbytes for array in made.constants)


def find(key: str) -> Program | Plan | None:
    """The program or the plan under a key."""
    payload = current().get(KIND, key)
    if payload is None:
        return None
    try:
        found = pickle.loads(payload)
    except Exception as error:  # whole, but made by other versions of what it holds: as good as absent
        log("cache", f"program {key}: cannot be read, {type(error).__name__}: {error}")
        return None
    if not isinstance(found, (Program, Plan)):
        return None
    stats.count("program_hits")
    log("cache", f"program {key}: hit; nothing was lowered")
    return found


def _questions(graph: Graph) -> int:
    """How many guards there are: compiling that made one is not repeated by a hit, which would leave it out."""
    return 0 if graph.shape_env is None else len(graph.shape_env.guards)
