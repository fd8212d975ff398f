"""Capturing a frame: attempt after attempt until one ends, then its code.

In comes what the frame hook found on a miss: the code object, a view of the frame, the entries that exist already. Out goes a `CacheEntry` (guards and new code), or SKIP.
The one idea: each failed attempt teaches one thing (where the graph must end, which size varies), and the next one starts from the beginning; attempts
only ever move the end of the graph towards the start, so there is an end to them.
"""

from __future__ import annotations

import dis
import functools
import gc
import sys
import threading
import time
import traceback
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from ...eager import errors
from ...eager.autograd.mode import STATE
from ...eager.config import config
from ...eager.dtypes import default_device
from ...eager.forks import made_again, undone
from ...eager.log import log
from ...eager.meta import META, MetaArray
from ...eager.stats import stats
from ...eager.tensor import Tensor
from ...graph.sharing import SharingMatters
from .. import guards
from .._capture import SKIP, CacheEntry
from ..bytecode.breaks import CannotBreak, can_break, entry_of, family_of, original_index
from ..bytecode.decode import UnknownOpcode
from ..marks import check_marks, why_fixed
from ..shapes import Declared
from ..stance import STANCE
from . import stored
from .attempt import Attempt, Knowledge
from .builder import Builder
from .effects import guard_record
from .generalising import generalise
from .library import fill_registries
from .lookup import is_own
from .observe import Unwatched
from .outcome import RUNTIME, Anew, Break, Observed, PlainPython, Skip, Specialise, Unbuildable, plain_python
from .records import BreakRecord, Captured, Recompile, Skipped
from .telling import tracer
from .values.constants import Constant
from .values.containers import ListValue
from .values.functions import guard_cells
from .values.growing import GrowingValue
from .values.held_arrays import meets
from .values.instance import guard_owners
from .values.mappings import DictValue
from .values.objects import ObjectValue
from .values.running import RunningIterator, guard_passing_by, stands_in_a_loop
from .values.sets import SetValue
from .values.state import mode_guard, put_modes_back
from .values.streams import StreamObject

TOO_DEEP = "the recursion of the user's program is too deep for capture"
LONGEST = 200  # characters of a constant in a listing of bytecode
MAX_ATTEMPTS = 64
one_at_a_time = threading.RLock()  # a capture sets knobs of the process and reads what other captures of the same code learned
made_again(sys.modules[__name__], "one_at_a_time", threading.RLock)


@dataclass
class CodeState:
    """What is known about one code object under one configuration."""

    compilations: int = 0
    entries: list[Any] = field(default_factory=list)  # what came of them
    dynamic: dict[Any, set[int]] = field(default_factory=dict)
    seen: dict[Any, list[guards.TensorMatch]] = field(default_factory=dict)
    varying: set[Any] = field(default_factory=set)  # sources of ints, floats and texts
    growing: set[Any] = field(default_factory=set)  # sources of lists and deques whose lengths go on changing
    split: set[Any] = field(default_factory=set)  # tuples of numbers whose items are guarded one by one
    constants: set[Any] = field(default_factory=set)  # what was tried as varying and must stay constant
    turn_by_turn: bool = False  # see Knowledge
    warned: bool = False


@dataclass
class Settings:
    """The configuration of one compiled object, frozen at its creation, and what was captured under it."""

    backend: Any
    fullgraph: bool = False
    dynamic: bool | None = None
    root: types.CodeType | None = None
    recompile_limit: int = 16
    shapes: Declared = field(default_factory=dict)
    numerics: str = "eager"
    memory_budget: float = 1.0
    strict: bool = False  # raise what went wrong inside of capture, in place of running eagerly
    break_before: Callable[[types.CodeType, int], bool] | None = None  # for tests: see forced_break
    states: dict[int, tuple[types.CodeType, CodeState]] = field(default_factory=dict)  # by identity: equal code may stand in two places
    captured: list[Captured] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    recompiles: list[Recompile] = field(default_factory=list)
    plain: dict[Any, bool] = field(default_factory=dict)  # see Knowledge
    transformed: dict[Any, Any] = field(default_factory=dict)  # function transforms of the compiled function that were made so far
    observer: Unwatched = field(default_factory=Unwatched)
    owner: weakref.ref | None = None  # the module whose call is compiled: the calls of all modules are one code object

    def is_root(self, code: types.CodeType, view: Any) -> bool:
        """Whether the frame is the call of the compiled object itself, not of something that it calls."""
        return code is self.root and (self.owner is None or view.locals.get("self") is self.owner())

    def state(self, code: types.CodeType) -> CodeState:
        return self.states.setdefault(id(code), (code, CodeState()))[1]


def is_meta(view: Any) -> bool:
    """Whether there is nothing to compile for this call: it makes tensors of the meta device, or gets some, which have shapes and no values."""
    return default_device[0] == META or any(issubclass(type(value), Tensor) and type(value._data) is MetaArray for value in view.locals.values())


def compile_frame(settings: Settings, code: types.CodeType, view: Any, entries: tuple) -> Any:
    """The callback of the frame hook."""
    if STATE.levels:  # inside of a function transform that runs eagerly: its tensors stand for batches and tangents
        stats.count("transformed_frames")
        return None
    # A checkpoint's second run may be outside of compiled code, and must save the same. In anomaly mode each step of the backward is looked at, and named with its line.
    if STATE.saved_hooks and not settings.is_root(code, view) or STATE.anomaly == "nan" or is_meta(view):
        stats.count("skipped_frames")
        return None
    if code.co_filename == "<string>" and is_own(view.globals.get("__name__")):  # generated for us, as a dataclass's methods are: the hook knows our files only
        return SKIP
    watcher = tracer()
    if watcher is not None:
        known = next((entry for entry in entries if entry.guards.check(view)), None)  # the hook has not looked
        if watcher == "counter" and known is not None and known.keep.tells:
            return known
        if watcher == "tracer" or known is not None:
            stats.count("traced_frames")
            return None
    state = settings.state(code)
    with one_at_a_time:
        for entry in state.entries:
            if (entry not in entries and entry.guards.check(view)) or entry.guards.check_prepared(view):  # another thread made it while this one waited
                return entry
        found = compile_next(settings, state, code, view, entries)
        if isinstance(found, CacheEntry):
            state.entries.append(found)
        return found


def compile_next(settings: Settings, state: CodeState, code: types.CodeType, view: Any, entries: tuple) -> Any:
    """One compilation of a code object that has `entries` already, unless there were too many."""
    if state.compilations >= settings.recompile_limit:
        return over_the_limit(settings, state, code, view, entries)
    if entries:
        if STANCE.name != "default":
            return refuse_recompile(settings, code, view, entries)
        stats.count("recompiles")
        generalise(settings, state, code, view, entries)
    state.compilations += 1
    knobs = config.override(numerics=settings.numerics, memory_budget=settings.memory_budget)
    with stats.timed("compile_seconds"), knobs, settings.observer.capturing(), no_collection():
        try:
            return load_or_capture(settings, state, code, view)
        except (errors.CaptureError, errors.BackendError, KeyboardInterrupt):
            state.compilations -= 1  # nothing came of it, and what is refused now is to be refused again
            raise
        except (Skip, CannotBreak, UnknownOpcode) as reason:
            return skip(settings, code, str(reason) or type(reason).__name__)
        except Exception as problem:
            if settings.strict:
                raise
            warnings.warn(
                f"segue: capture of {code.co_qualname} failed inside of segue ({type(problem).__name__}: {problem}); it runs eagerly. Please report it",
                RuntimeWarning, stacklevel=3,
            )  # fmt: skip
            return skip(settings, code, f"internal: {type(problem).__name__}: {problem}\n{traceback.format_exc()}")


@contextmanager
def no_collection() -> Iterator[None]:
    """Within the block the garbage collector rests: what a capture makes lives until its end, and would be walked again and again, with all else there is."""
    resting = not gc.isenabled()
    with nullcontext() if resting else undone(gc.enable):
        gc.disable()
        try:
            yield
        finally:
            if not resting:
                gc.enable()


def skip(settings: Settings, code: types.CodeType, reason: str) -> Any:
    """Leave the frames of this code to run eagerly, visibly."""
    stats.count("skipped_frames")
    settings.skipped.append(Skipped(code.co_qualname, reason, code))
    log("breaks", f"{code.co_filename}:{code.co_firstlineno}: {code.co_qualname} runs eagerly: {reason}")
    if settings.fullgraph:
        raise errors.CaptureError(f"fullgraph=True, but {code.co_qualname} cannot be captured: {reason}")
    return SKIP


def refuse_recompile(settings: Settings, code: types.CodeType, view: Any, entries: tuple) -> Any:
    """The stance lets nothing be compiled again."""
    if STANCE.name == "fail_on_recompile":
        why = entries[0].guards.explain_failure(view)
        raise errors.CaptureError(f"the stance is fail_on_recompile, but {code.co_qualname} ({code.co_filename}:{code.co_firstlineno}) would be compiled again: {why}")
    stats.count("skipped_frames")
    return None


def over_the_limit(settings: Settings, state: CodeState, code: types.CodeType, view: Any, entries: tuple) -> Any:
    if not state.warned:
        state.warned = True
        why = entries[0].guards.explain_failure(view) if entries else None
        warnings.warn(
            f"segue: {code.co_qualname} ({code.co_filename}:{code.co_firstlineno}) was compiled {state.compilations} times and runs eagerly from now on"
            f"; last failed guard: {why}. config.recompile_limit is the limit",
            RuntimeWarning, stacklevel=4,  # the line that calls
        )  # fmt: skip
    stats.count("skipped_frames")
    return None


# -- captures from the disk -------------------------------------------------------------------------------------------------


def load_or_capture(settings: Settings, state: CodeState, code: types.CodeType, view: Any) -> Any:
    """The entry that the disk has for this frame, else a new one, which is written there."""
    key = None if tracer() else stored.key_of(settings, state, code, view)
    found = None if key is None else stored.find(key, settings.backend, code, view, Captured.of_facts)
    if found is not None:
        settings.captured.append(found.keep)
        report(found.keep, found.code)
        return found
    stats.count("captures")
    made = capture(settings, state, code, view)
    if key is not None and isinstance(made, CacheEntry):
        stored.keep(key, code, made)
    return made


# -- attempts ---------------------------------------------------------------------------------------------------------------


def capture(settings: Settings, state: CodeState, code: types.CodeType, view: Any) -> Any:
    start, hooks = time.perf_counter(), STATE.saved_hooks
    fill_registries()
    knowledge = Knowledge(
        dynamic=state.dynamic, seen=state.seen, varying=state.varying, growing=state.growing, split=state.split, shapes=settings.shapes if code is settings.root else {}, all_dynamic=settings.dynamic,
        frame_class=settings.observer.frame_class, tells=tracer() == "counter", turn_by_turn=state.turn_by_turn,
        plain=settings.plain,
    )  # fmt: skip
    if settings.plain.get(family_of(code), False) or (entry_of(code) is not None and family_of(code) in settings.plain):
        raise Skip(plain_python().reason)
    for number in range(1, MAX_ATTEMPTS + 1):
        settings.observer.attempt()
        attempt = Attempt(view, code, knowledge)
        if not settings.is_root(code, view) or (settings.owner is not None and not hooks):
            attempt.guard(mode_guard("saved_hooks", ()))
        if settings.break_before is not None:
            attempt.before_step = forced_break(settings.break_before, code)
        STATE.saved_hooks = ()  # they are for what calls keep, not for twins
        try:
            entry = try_once(settings, state, attempt, start, number)
        finally:
            STATE.saved_hooks = hooks
            state.turn_by_turn = knowledge.turn_by_turn
            attempt.close()
        if entry is not None:
            return entry
    raise Skip(f"no end after {MAX_ATTEMPTS} attempts")


def forced_break(wanted: Callable[[types.CodeType, int], bool], code: types.CodeType) -> Callable[[int], None]:
    """A hook for tests: the graph of a frame ends before each instruction for which `wanted(code, index)` is true, where a break is possible at all.
    `index` counts the instructions of the original function, also when `code` is one of its resume functions."""

    def before_step(index: int) -> None:
        if can_break(code, index) is None and wanted(code, original_index(code, index)):
            raise Break("a test asks for a break here")

    return before_step


def try_once(settings: Settings, state: CodeState, attempt: Attempt, start: float, number: int) -> Any:
    """The entry (or SKIP), or None where the attempt failed and its knowledge grew."""
    knowledge, known = attempt.knowledge, attempt.knowledge.break_step
    try:
        entry = guess(settings, state, attempt, start, number)
    except (errors.CaptureError, Skip):
        if not attempt.leaves_open() or knowledge.open_break is not None:
            raise
        entry, knowledge.break_step = None, attempt.step
    if entry is None and knowledge.break_step != known:
        settle(knowledge, attempt.leaves_open(), known)
    return entry


def settle(knowledge: Knowledge, left_open: bool, known: int | None) -> None:
    """A graph broke that left something of sizes to the run: texts that are written later, floats, and what is rounded. The next attempt fixes all that, and where it breaks at the
    same place that was not what broke it."""
    if left_open and knowledge.open_break is None:
        knowledge.fixes_open, knowledge.open_break, knowledge.break_step = True, knowledge.break_step, known
    elif knowledge.fixes_open and knowledge.break_step == knowledge.open_break:
        knowledge.fixes_open = False


def guess(settings: Settings, state: CodeState, attempt: Attempt, start: float, number: int) -> Any:
    """See `try_once`."""
    knowledge = attempt.knowledge
    try:
        outcome = attempt.execute()
        attempt.check_checkpoints()
    except Specialise as problem:
        if RUNTIME in problem.sources:
            return learn(settings, attempt, "the program needs a number that only the run of the graph gives", "keep the value as a 0-d tensor, or return the number")
        state.constants |= problem.sources
        state.varying -= problem.sources
        knowledge.break_step = None
        return None
    except SharingMatters:
        return ask_sharing(knowledge)
    except Anew:
        knowledge.break_step = None
        return None
    except PlainPython as problem:
        return end_before(settings, knowledge, problem.step, plain_python().reason, plain_python().suggestion)
    except (Break, errors.UndecidedSize) as problem:
        return learn(settings, attempt, problem.reason, problem.suggestion, getattr(problem, "only_while", None))
    except Observed as observed:
        return learn(settings, attempt, f"{observed.value.describe()} is raised", "")
    except Unbuildable as problem:
        return learn(settings, attempt, problem.reason, "")
    except RecursionError:
        raise Skip(TOO_DEEP) from None
    try:
        return finish(settings, attempt, outcome, time.perf_counter() - start, number)
    except SharingMatters:
        return ask_sharing(knowledge)
    except RecursionError:
        raise Skip(TOO_DEEP) from None
    except Observed:
        raise Skip("a user's method, called while the new code was made, raised") from None
    except Unbuildable as problem:
        end_before(settings, knowledge, getattr(problem.value, "born", None), problem.reason)
    except errors.UndecidedSize as problem:  # a derivative asks for a size of the run: the graph ends before there is one
        end_before(settings, knowledge, attempt.sized_at, problem.reason, problem.suggestion)
    return None


def ask_sharing(knowledge: Knowledge) -> None:
    """What a graph copied, and eager mode does not, is written or given out: the next attempt asks about memory at once, and shares it."""
    knowledge.asks_sharing = True
    knowledge.break_step = None


def end_before(settings: Settings, knowledge: Knowledge, step: int | None, reason: str, suggestion: str = "") -> None:
    """The graph must end before a step that ran long ago, as what it made cannot be built. Raises Skip where it cannot end there."""
    if step is None or settings.fullgraph or (knowledge.break_step is not None and step >= knowledge.break_step):
        raise Skip(reason)
    knowledge.break_step = step
    knowledge.reason, knowledge.suggestion, knowledge.location, knowledge.only_while = reason, suggestion, None, None


def learn(settings: Settings, attempt: Attempt, reason: str, suggestion: str, only_while: guards.Guard | None = None) -> None:
    """The graph must end before the instruction of the root frame that ran."""
    knowledge = attempt.knowledge
    location, function = attempt.failed_at or (attempt.location(), "")
    if function:
        reason, suggestion = f"{function}() cannot be followed to its end: {reason}", f"call {function}() outside of the compiled function; the graph goes on behind it"
    if not knowledge.turn_by_turn and stands_in_a_loop(attempt.root.stack):
        knowledge.turn_by_turn, knowledge.break_step = True, None
        return
    if settings.fullgraph:
        hint = f"\nInstead: {suggestion}" if suggestion else ""
        raise errors.CaptureError(f"fullgraph=True, but the graph would break here: {reason}\n{location.show()}{hint}")
    why_not = can_break(attempt.root.code, attempt.root_index)
    if why_not is not None:
        raise Skip(f"{reason} ({why_not})")
    if knowledge.break_step is not None and attempt.step >= knowledge.break_step:
        raise Skip(reason)
    knowledge.break_step = attempt.step
    knowledge.reason, knowledge.suggestion, knowledge.location, knowledge.only_while = reason, suggestion, location, only_while


def finish(settings: Settings, attempt: Attempt, outcome: Any, seconds: float, attempts: int) -> Any:
    code = attempt.root.code
    name = family_of(code).signature.qualname
    attempt.check_ends()
    builder = Builder(attempt, outcome, settings.backend)
    built = builder.build()
    if outcome is not None and built.compiled is None and code is not settings.root:
        settings.observer.left()
        return SKIP  # a frame without tensor operations gains nothing
    for value in attempt.tensor_inputs:
        shape, env = value.twin._data.shape, attempt.tracer.shape_env
        check_marks(value.real, shape, value.source.text(), env)
        attempt.sizes.check(value.source, shape, lambda size: why_fixed(size, attempt.tracer.shape_env))
    relational_guards(attempt, built.graph)
    knowledge = attempt.knowledge
    if outcome is None and knowledge.only_while is not None:
        attempt.guard(knowledge.only_while)
    ran = tuple((len(guards.GuardSet(attempt.guards[:count])), *what) for count, *what in attempt.ran_for_real)
    checks = guards.GuardSet(attempt.guards, ran)
    ended = None if outcome is not None else BreakRecord(knowledge.reason, knowledge.suggestion, knowledge.location or attempt.location(), name)
    captured = Captured(name, f"{code.co_filename}:{code.co_firstlineno}", built.compiled, checks, ended, seconds, attempts, attempt.only_here, attempt.telling is not None)
    settings.captured.append(captured)
    settings.observer.captured(checks, attempt.view)
    report(captured, built.code)
    # What is raised between two breaks, and not by the frame's own code, is outside of the `with` blocks: what they set is put back when the frame ends.
    failed = functools.partial(put_modes_back, attempt.modes_before) if ended is not None and entry_of(code) is None else None
    return CacheEntry(checks, built.code, captured, failed)


def report(captured: Captured, code: types.CodeType) -> None:
    if captured.compiled is not None:
        stats.count("graphs")
    ended = captured.ended
    if ended is not None:
        stats.count("breaks")
        log("breaks", lambda: f"the graph of {captured.function} ends here: {ended}\n{ended.location.show()}")
    log("guards", captured.guards.text, title=captured.function)
    log("bytecode", lambda: listing(code), title=captured.function)


def listing(code: types.CodeType) -> str:
    """The instructions, with constants that are long to write (the globals of a module, say) cut short."""
    return dis.Bytecode(code.replace(co_consts=tuple(map(Short, code.co_consts)))).dis()


class Short:
    """Writes itself as another object does, on one line."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def __repr__(self) -> str:
        text = repr(self.of)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def relational_guards(attempt: Attempt, graph: Any) -> None:
    """When something was changed, what the changes could also have reached must be as apart as it was."""
    for size_guard in graph.shape_env.guards:
        bindings = attempt.bindings
        attempt.guard(guards.SizeRelation.from_sympy(size_guard.relation, bindings, size_guard.line or ""))
    tensors = [value for value in attempt.tensor_inputs if value.source not in attempt.fresh]
    changed = bool(graph.writes) or bool(attempt.changed_gradients()) or any(value.born is not None for value in tensors)
    if meets(attempt.held_arrays, tensors):
        raise Skip("a NumPy array from outside shares its memory with a tensor from outside")
    if changed and len(both := [*tensors, *attempt.held_arrays]) > 1:
        attempt.guard(guards.Aliasing.of([value.source for value in both], [value.real for value in both]))
    for pair in attempt.tracer.memory.meeting():
        attempt.guard(guards.Predicate(tuple(value.source for value in tensors if any(value.real is one for one in pair)), guards.apart))
    guard_passing_by(attempt)
    guard_owners(attempt)
    guard_cells(attempt)
    guard_record(attempt)
    written = {type(value.real) for value in attempt.journal.entries.values() if isinstance(value, (ListValue, GrowingValue, DictValue, SetValue, ObjectValue, RunningIterator, StreamObject))}
    others = [value for value in attempt.wrapped.values() if type(value.real) in written and not isinstance(value, Constant) and value.source is not None]
    others += [value for value in attempt.compared.values() if not any(value is other for other in others)]
    if len(others) > 1:
        attempt.guard(guards.SameObjects.of([value.source for value in others], [value.real for value in others]))

