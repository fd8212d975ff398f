#!/bin/sh
# Build the C and C++ code under the address and undefined-behaviour sanitizers, apart from the checkout, and run tests against that build.
#
#     tools/sanitize.sh [python] [tests ...]        default: python3, and the tests of the hook and of the guard engine
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${1:-python3}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- tests/capture/test_hook.py tests/capture/test_guards.py
compiler=${CC:-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$root"
CC=$compiler SEGUE_SANITIZE=address,undefined "$python" setup.py --quiet build --build-base "$work/build" --build-lib "$work/lib"

# Every object of the interpreter comes from malloc, so that the sanitizer sees it; deep recursion needs more stack than usual.
ulimit -s 262144 2>/dev/null || ulimit -s unlimited 2>/dev/null || true
PYTHONPATH="$work/lib" PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 \
    LD_PRELOAD="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libubsan.so)" \
    ASAN_OPTIONS=detect_leaks=0:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    "$python" -m pytest -p no:cacheprovider "$@"
