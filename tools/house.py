"""The checks of the house itself, and its table: lines of each room, longest files and functions, imports between rooms.

In comes the root of a source tree, out come problems (which tests/test_house.py wants none of) and the figures that `segue house` prints. The one
idea: every rule about how this project is written that a program can check is a function in `CHECKS`, reading files and their syntax trees only.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOMS = ("api", "eager", "graph", "capture", "inductor", "tools")
MAY_IMPORT = {  # room -> the rooms it may import: eager <- graph <- {capture, inductor} <- {api, tools}
    "eager": {"eager"},
    "graph": {"eager", "graph"},
    "capture": {"eager", "graph", "capture"},
    "inductor": {"eager", "graph", "inductor"},
    "api": set(ROOMS),
    "tools": set(ROOMS),
}
EXTENSIONS = {  # built from C
    "segue.eager._dispatch": "eager", "segue.capture._capture": "capture", "segue.inductor._launcher": "inductor", "segue.inductor._runtime": "inductor",
}  # fmt: skip
FILE_LIMIT = 500
FUNCTION_LIMIT = 66  # "about 60 lines"
ALLOWED_LENGTH: dict[str, str] = {}  # "file" or "file:function" -> why it is longer than the limit
NATIVE = ("*.c", "*.h", "*.cpp")
UNWANTED = {  # what no file may hold -> why
    re.compile(r"(?<![\w.])/(?:work|home|root|Users|mnt)/\w"): "a path of one machine",
    re.compile(r"p[y]pi\.org|pythonhoste[d]\.org|--(?:extra-)?index-ur[l]"): "the host of a package registry",
}
SETUP_LINE = re.compile(r"^\s*(python3 -m venv .+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Problem:
    """One place where a rule is broken."""

    rule: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Import:
    """One import of a module of the project: which, on which line, whether inside a function, and whether for type checkers only."""

    module: str
    line: int
    inside_function: bool
    for_types: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method and its length in lines, docstring left out."""

    name: str
    line: int
    length: int


@dataclass
class Module:
    """One Python file of a room."""

    path: Path
    place: str
    room: str
    name: str
    text: str = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.place)

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def package(self) -> str:
        """The package that a relative import starts from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


@dataclass
class House:
    """A source tree. Raises FileNotFoundError where `root` is none."""

    root: Path

    def __post_init__(self) -> None:
        missing = [room for room in ROOMS if not (self.root / room).is_dir()]
        if missing:
            raise FileNotFoundError(f"{self.root} is not the root of the source tree: no folder {', '.join(missing)}")

    @cached_property
    def modules(self) -> dict[str, Module]:
        """Every Python file of the rooms, by module name."""
        found = {}
        for room in ROOMS:
            for path in sorted((self.root / room).rglob("*.py")):
                parts = list(path.relative_to(self.root / room).with_suffix("").parts)
                if parts[-1] == "__init__":
                    parts.pop()
                name = ".".join(["segue", *([] if room == "api" else [room]), *parts])
                found[name] = Module(path, str(path.relative_to(self.root)), room, name, path.read_text(encoding="utf-8"))
        return found

    @cached_property
    def imports(self) -> dict[str, list[Import]]:
        """Module name -> the modules of the project that it imports."""
        return {name: list(self._imports_of(module)) for name, module in self.modules.items()}

    def room_of(self, name: str) -> str | None:
        """The room that a module lives in; None where there is no such module."""
        return self.modules[name].room if name in self.modules else EXTENSIONS.get(name)

    def _imports_of(self, module: Module) -> Iterator[Import]:
        for node, inside, for_types in _walk(module.tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(module, node)
                names = [f"{base}.{alias.name}" if self.room_of(f"{base}.{alias.name}") else base for alias in node.names]
            else:
                continue
            for name in dict.fromkeys(names):
                if name == "segue" or name.startswith("segue."):
                    yield Import(name, node.lineno, inside, for_types)

    def functions(self, module: Module) -> list[Function]:
        """The functions and methods of a module; what stands inside a function counts as part of it."""
        found = []

        def visit(node: ast.AST, prefix: str) -> None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.ClassDef):
                    visit(child, f"{prefix}{child.name}.")
                elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    found.append(Function(prefix + child.name, child.lineno, _length(child)))
                elif not isinstance(child, ast.expr):
                    visit(child, prefix)

        visit(module.tree, "")
        return found

    def native(self, room: str) -> list[Path]:
        """The C and C++ files of a room."""
        return sorted(path for pattern in NATIVE for path in (self.root / room).rglob(pattern))


def _walk(tree: ast.AST) -> Iterator[tuple[ast.AST, bool, bool]]:
    """Every node, whether it stands inside a function, and whether under `if TYPE_CHECKING:`."""
    stack: list[tuple[ast.AST, bool, bool]] = [(tree, False, False)]
    while stack:
        node, inside, for_types = stack.pop()
        yield node, inside, for_types
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for_types = for_types or (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
        stack.extend((child, inside, for_types) for child in ast.iter_child_nodes(node))


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


# ----------------------------------------------------------------------------------------------------------------- checks


def check_directions(house: House) -> Iterator[Problem]:
    """Imports run one way."""
    for name, imports in house.imports.items():
        module = house.modules[name]
        for found in imports:
            room = house.room_of(found.module)
            if room is None:
                yield Problem("imports", f"{module.place}:{found.line}", f"imports {found.module}, which does not exist")
            elif room not in MAY_IMPORT[module.room]:
                yield Problem("one-way", f"{module.place}:{found.line}", f"{module.room} must not import {room} ({found.module})")


def check_inside_functions(house: House) -> Iterator[Problem]:
    """No import of the project stands inside a function."""
    for name, imports in house.imports.items():
        for found in imports:
            if found.inside_function:
                yield Problem("import-inside", f"{house.modules[name].place}:{found.line}", f"imports {found.module} inside a function")


def check_cycles(house: House) -> Iterator[Problem]:
    """No modules import each other in a circle; imports for type checkers only do not count."""
    graph = {
        name: {found.module for found in imports if found.module in house.modules and not found.for_types} - {name}
        for name, imports in house.imports.items()
    }
    for component in strong_components(graph):
        if len(component) > 1:
            yield Problem("cycle", house.modules[component[0]].place, "imports in a circle: " + " -> ".join([*component, component[0]]))


def check_lengths(house: House) -> Iterator[Problem]:
    """Files and functions keep to their limits, or stand in ALLOWED_LENGTH with a reason."""
    for room in ROOMS:
        for path in house.native(room):
            place = str(path.relative_to(house.root))
            count = path.read_text(encoding="utf-8").count("\n")
            if count > FILE_LIMIT and place not in ALLOWED_LENGTH:
                yield Problem("length", place, f"{count} lines; the limit is {FILE_LIMIT}")
    for module in house.modules.values():
        if module.lines > FILE_LIMIT and module.place not in ALLOWED_LENGTH:
            yield Problem("length", module.place, f"{module.lines} lines; the limit is {FILE_LIMIT}")
        for function in house.functions(module):
            if function.length > FUNCTION_LIMIT and f"{module.place}:{function.name}" not in ALLOWED_LENGTH:
                yield Problem("length", f"{module.place}:{function.line}", f"{function.name}: {function.length} lines; the limit is {FUNCTION_LIMIT}")


def check_openings(house: House) -> Iterator[Problem]:
    """Every file opens with a docstring that says what lives there."""
    for module in house.modules.values():
        if not ast.get_docstring(module.tree):
            yield Problem("opening", module.place, "opens without a docstring")


def check_packages(house: House) -> Iterator[Problem]:
    """Every folder of modules is a package: one without `__init__.py` is left out where the package is installed."""
    for folder in sorted({module.path.parent for module in house.modules.values()}):
        if not (folder / "__init__.py").is_file():
            yield Problem("packages", str(folder.relative_to(house.root)), "has modules and no __init__.py")


def check_words(house: House) -> Iterator[Problem]:
    """No file holds what belongs to one machine."""
    folders = [house.root / name for name in (*ROOMS, "tests", "docs", ".ci")]
    endings = {".py", ".md", ".c", ".h", ".cpp", ".toml", ".cfg", ".yml", ""}
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix in endings]
    for path in [*files, *(path for path in house.root.iterdir() if path.is_file() and path.suffix in endings and path.name != ".git")]:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            for pattern, why in UNWANTED.items():
                if pattern.search(line):
                    yield Problem("words", f"{path.relative_to(house.root)}:{number}", why)


def check_readme(house: House) -> Iterator[Problem]:
    """README has the two set-up commands, each on one line."""
    found = setup_commands(house.root)
    if len(found) != 2 or "segue demo" not in found[0] or "pytest" not in found[1]:
        yield Problem("readme", "README.md", f"wants two commands on one line each, the demo and the tests; found {found}")


CHECKS = (check_directions, check_inside_functions, check_cycles, check_lengths, check_openings, check_packages, check_words, check_readme)


def problems(root: Path) -> list[Problem]:
    """Every problem of the tree, in the order of the checks."""
    house = House(root)
    return [problem for check in CHECKS for problem in check(house)]


def setup_commands(root: Path) -> list[str]:
    """README's commands: the lines that begin by making a virtual environment."""
    return SETUP_LINE.findall((root / "README.md").read_text(encoding="utf-8"))


def strong_components(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of a directed graph (Tarjan 1972), without recursion.

    >>> sorted(map(sorted, strong_components({"a": {"b"}, "b": {"a"}, "c": {"a"}})))
    [['a', 'b'], ['c']]
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    components = []
    for start in graph:
        if start in index:
            continue
        index[start] = low[start] = len(index)
        path.append(start)
        work = [(start, iter(sorted(graph[start])))]
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    path.append(target)
                    work.append((target, iter(sorted(graph[target]))))
                    break
                if target in path:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = path.index(node)
                    components.append(path[cut:])
                    del path[cut:]
    return components


# ------------------------------------------------------------------------------------------------------------------ table


@dataclass(frozen=True, slots=True)
class Figures:
    """What `segue house` prints."""

    rooms: list[tuple[str, int, int, int]]  # room, files, lines of Python, lines of C and C++
    files: list[tuple[int, str]]  # the longest
    functions: list[tuple[int, str]]  # the longest
    imports: Counter[tuple[str, str]]  # (from room, to room) -> imports


def figures(root: Path, count: int = 10) -> Figures:
    """Measure a source tree; `count` is how many of the longest files and functions are kept."""
    house = House(root)
    rooms: list[tuple[str, int, int, int]] = []
    sizes: list[tuple[int, str]] = []
    functions: list[tuple[int, str]] = []
    for room in (*ROOMS, "tests"):
        native = house.native(room)
        own = [module for module in house.modules.values() if module.room == room]
        python = [(module.lines, module.place) for module in own]
        if room == "tests":
            python = [(p.read_text(encoding="utf-8").count("\n"), str(p.relative_to(root))) for p in sorted((root / room).rglob("*.py"))]
        in_c = [(path.read_text(encoding="utf-8").count("\n"), str(path.relative_to(root))) for path in native]
        rooms.append((room, len(python) + len(in_c), sum(n for n, _ in python), sum(n for n, _ in in_c)))
        sizes.extend(python + in_c)
        functions.extend((function.length, f"{module.place}:{function.name}") for module in own for function in house.functions(module))
    between: Counter[tuple[str, str]] = Counter()
    for name, imports in house.imports.items():
        targets = (house.room_of(found.module) for found in imports)
        between.update((house.modules[name].room, target) for target in targets if target)
    return Figures(rooms, sorted(sizes, reverse=True)[:count], sorted(functions, reverse=True)[:count], between)
