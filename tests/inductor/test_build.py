"""Building under faults: no compiler, a failing and a killed one, Ctrl-C, damaged entries, two processes at once; and what the key depends on."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from segue.eager.config import config
from segue.eager.stats import stats
from segue.graph.cache import CHECKED, Cache, current
from segue.inductor import build as build_module
from segue.inductor import toolchain as toolchain_module
from segue.inductor.build import BuildError, build, library_key, make_launcher
from segue.inductor.toolchain import Toolchain, toolchain

SOURCE = r"""
#include "segue_vector.h"
using namespace segue;
SEGUE_API int64_t segue_entry(void** in, void** out, const int64_t* s, char* arena, const segue_runtime* rt) {
    for_lanes(0, 100, [&](auto where, int64_t i) { store(where, (float*)out[0] + i, exp(load(where, (const float*)in[0] + i))); });
    return 0;
}
"""
SPEC = ("array", "float32", (100,))


def works(library) -> bool:
    x = np.linspace(-3, 3, 100, dtype=np.float32)
    (y,) = make_launcher(library, [SPEC], [SPEC])([x])
    return np.allclose(y, np.exp(x), rtol=1e-6)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))  # logs and build folders of these tests stay in their own place
    monkeypatch.setenv("TMPDIR", str(temporary))
    with config.override(cache_dir=str(tmp_path / "cache"), cache=True):
        yield tmp_path / "cache"
    toolchain_module._found.clear()


def test_second_build_runs_no_compiler(folder):
    first = build(SOURCE)
    before = stats.read()
    second = build(SOURCE)
    assert not first.cache_hit and second.cache_hit and works(first) and works(second)
    since = stats.since(before)
    assert since["builds"] == 0 and since["cache_hits"] == 1 and since["cache_misses"] == 0


def test_a_damaged_entry_is_built_again(folder):
    library = build(SOURCE)
    content = bytearray(library.path.read_bytes())
    content[len(content) // 2] ^= 255
    replaced = library.path.with_suffix(".new")  # the mapped file itself stays as it is
    replaced.write_bytes(content)
    os.replace(replaced, library.path)
    again = build(SOURCE)
    assert not again.cache_hit and works(again) and build(SOURCE).cache_hit


def test_an_entry_that_is_no_library_is_built_again(folder):
    tools = toolchain()
    current().put("library", library_key([SOURCE], tools), b"whole, but not a library")
    library = build(SOURCE)
    assert not library.cache_hit and works(library)


def test_several_units(folder):
    one = '#include "segue_vector.h"\nextern "C" int64_t other(float*);\n'
    one += "SEGUE_API int64_t segue_entry(void**, void** out, const int64_t*, char*, const segue_runtime*)"
    units = [one + "{ return other((float*)out[0]); }", 'extern "C" long other(float* x) { x[0] = 7; return 0; }', "int unused;"]
    library = build(units)
    assert make_launcher(library, [], [("array", "float32", (1,))])([])[0][0] == 7
    assert build(units).cache_hit


def test_the_key_depends_on_what_matters(monkeypatch):
    def key(**settings):
        with config.override(**settings):
            return library_key([SOURCE], toolchain())

    keys = [key(), key(isa="generic"), key(compiler_flags="-DX=1"), key(numerics="fast"), library_key([SOURCE + " "], toolchain())]
    keys.append(library_key([SOURCE], toolchain(), exports=("other",)))
    monkeypatch.setattr(build_module, "headers_digest", lambda: "other headers")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    tools = toolchain()
    other = Toolchain(tools.command, tools.flags, tools.macros + "#define __AMX__ 1\n", tools.stamp)
    assert other.identity != tools.identity
    assert Toolchain(tools.command, tools.flags, tools.macros, "replaced").identity != tools.identity


def test_comments_are_no_part_of_the_key():
    tools = toolchain()
    moved = SOURCE.replace("using namespace", "    // add  train.py:8\nusing namespace")
    assert library_key([moved], tools) == library_key([SOURCE], tools)
    assert library_key([SOURCE.replace("100", "101")], tools) != library_key([SOURCE], tools)


def questions(ask) -> int:
    """How often the compiler is asked what it is, as in a process that has not asked yet."""
    toolchain_module._found.clear()
    before = stats.read()
    ask()
    return stats.since(before)["compiler_questions"]


@pytest.mark.skipif(not toolchain_module._COMPILER.search(os.path.realpath(toolchain().command[0])), reason="the compiler stands behind a script")
def test_the_compiler_is_asked_once_on_a_machine(folder, monkeypatch):
    toolchain_module._found.clear()
    assert questions(toolchain) == 1
    first = toolchain().identity
    assert questions(toolchain) == 0 and toolchain().identity == first
    with config.override(compiler_flags="-DX=1"):
        assert questions(toolchain) == 1
    (entry,) = (path for path in (folder / "v1" / "toolchain").rglob("*.bin") if b"define X 1" not in path.read_bytes())
    entry.write_bytes(b"damaged" + entry.read_bytes()[7:])
    assert questions(toolchain) == 1 and toolchain().identity == first
    monkeypatch.setattr(toolchain_module, "_processor", lambda: "another one")
    assert questions(toolchain) == 1 and questions(toolchain) == 0
    stamp = toolchain_module._stamp
    monkeypatch.setattr(toolchain_module, "_stamp", lambda program: stamp(program) + "1")  # the compiler was replaced
    assert questions(toolchain) == 1 and toolchain().identity != first
    monkeypatch.setattr(toolchain_module, "_processor", lambda: None)
    assert questions(toolchain) == 1 and questions(toolchain) == 1


def test_a_script_in_the_place_of_a_compiler_is_asked_each_time(folder, tmp_path):
    with config.override(compiler=str(slow_compiler(tmp_path, "exit 1"))):
        assert questions(toolchain) == 1 and questions(toolchain) == 1


def test_a_failing_compile_leaves_a_log(folder):
    with pytest.raises(BuildError, match="not_declared") as caught:
        build(SOURCE + "int f() { return not_declared; }")
    text = caught.value.log_path.read_text()
    assert "not_declared" in text and "segue_entry" in text and str(caught.value.log_path) in str(caught.value)
    caught.value.log_path.unlink()
    assert build(SOURCE).cache_hit is False


def test_a_missing_symbol_is_a_build_error_or_a_load_error(folder):
    with pytest.raises((BuildError, OSError)):
        build(SOURCE.replace("return 0;", "extern int nowhere(); return nowhere();"))


def run_python(code: str, **environment) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)


CODE = f"""
from segue.inductor.build import build, BuildError
try:
    library = build({SOURCE!r})
    print("hit" if library.cache_hit else "built")
except BuildError as error:
    print("BuildError", error)
"""


def test_no_compiler(folder):
    done = run_python(CODE, PATH="", CXX="", SEGUE_CACHE_DIR=str(folder))
    assert done.stdout.startswith("BuildError no C++ compiler works") and "apt install g++" in done.stdout, done.stderr


def test_a_compiler_that_is_none(folder, tmp_path):
    fake = tmp_path / "fake++"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    done = run_python(CODE, SEGUE_COMPILER=str(fake), SEGUE_CACHE_DIR=str(folder))
    assert done.stdout.startswith("BuildError") and "fake++" in done.stdout, done.stderr


def slow_compiler(tmp_path: Path, body: str) -> Path:
    """A compiler that answers questions like the real one, and for a compile runs `body`."""
    script = tmp_path / "slow++"
    real = toolchain().command[0]
    script.write_text(f'#!/bin/sh\ncase " $* " in *" -c "*) {body};; *) exec {real} "$@";; esac\n')
    script.chmod(0o755)
    return script


def test_a_killed_compiler_is_a_build_error(folder, tmp_path):
    done = run_python(CODE, SEGUE_COMPILER=str(slow_compiler(tmp_path, "kill -9 $$")), SEGUE_CACHE_DIR=str(folder))
    assert "BuildError the C++ compiler was killed by signal 9" in done.stdout, done.stdout + done.stderr
    assert not list(folder.rglob("*.so"))


def alive(pid: int) -> bool:
    """Whether the process runs (one that has ended but not been waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_control_c_stops_the_compiler_and_leaves_nothing(folder, tmp_path):
    started, temporary = tmp_path / "pid", tmp_path / "of the process"
    temporary.mkdir()
    script = slow_compiler(tmp_path, f"echo $$ > {started}.new; mv {started}.new {started}; sleep 100")
    environment = {**os.environ, "SEGUE_COMPILER": str(script), "SEGUE_CACHE_DIR": str(folder), "TMPDIR": str(temporary)}
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + CODE
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not started.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    compiler = int(started.read_text())
    assert alive(compiler)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    deadline = time.monotonic() + 10
    while alive(compiler) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(compiler)
    assert list(temporary.iterdir()) == []
    assert [p for p in folder.rglob("*") if p.is_file() and "toolchain" not in p.parts and p.name != CHECKED] == []
    done = run_python(CODE, SEGUE_CACHE_DIR=str(folder))
    assert done.stdout.strip() == "built", done.stderr


def test_two_processes_at_once(folder):
    environment = {**os.environ, "SEGUE_CACHE_DIR": str(folder)}
    processes = [subprocess.Popen([sys.executable, "-c", CODE], env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert {process.communicate(timeout=120)[0].strip() for process in processes} <= {"built", "hit"}
    assert len([p for p in folder.rglob("*.so") if p.is_file()]) == 1
    assert run_python(CODE, SEGUE_CACHE_DIR=str(folder)).stdout.strip() == "hit"


def test_an_unwritable_folder_still_builds(tmp_path):
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    with config.override(cache_dir=str(obstacle / "below")):
        assert works(build(SOURCE))


def test_memory_only_cache_still_builds(monkeypatch):
    store = Cache(None)
    monkeypatch.setattr(build_module, "current", lambda: store)
    assert works(build(SOURCE))
    again = build(SOURCE)
    assert again.cache_hit and works(again)


def test_no_place_to_compile_in(monkeypatch):
    def nowhere(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module.tempfile, "TemporaryDirectory", nowhere)
    with pytest.raises(BuildError, match="No space left"):
        build(SOURCE)
