"""Knobs, the artefact bus, counters, and how errors find the user's line."""

import pytest

import segue
from segue.eager import errors, log
from segue.eager.config import config, from_environment, table
from segue.eager.stats import Stats


def test_environment_attribute_and_override():
    made = from_environment({"SEGUE_THREADS": "3", "SEGUE_FUSION": "off", "SEGUE_CACHE_DIR": "x", "SEGUE_UNKNOWN": "1"})
    assert (made.threads, made.fusion, made.cache_dir) == (3, False, "x")
    before = config.threads
    with pytest.raises(RuntimeError, match="inside"), config.override(threads=before + 1, verify=True):
        assert config.threads == before + 1
        raise RuntimeError("inside")
    assert config.threads == before


def test_a_snapshot_does_not_change():
    seen = config.snapshot()
    with config.override(threads=config.threads + 1):
        assert seen["threads"] == config.threads - 1
    with pytest.raises(TypeError):
        seen["threads"] = 2


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: setattr(config, "threds", 1), AttributeError, "no knob 'threds'"),
    (lambda: setattr(config, "threads", 1.5), TypeError, "an int; got 1.5"),
    (lambda: setattr(config, "threads", True), TypeError, "an int"),
    (lambda: setattr(config, "isa", "sse"), ValueError, "one of native"),
    (lambda: from_environment({"SEGUE_THREADS": "many"}), ValueError, "SEGUE_THREADS='many'"),
    (lambda: from_environment({"SEGUE_CACHE": "maybe"}), ValueError, "SEGUE_CACHE='maybe'"),
    (lambda: from_environment({"SEGUE_ISA": "sse"}), ValueError, "SEGUE_ISA='sse'"),
])  # fmt: skip
def test_wrong_values_are_refused(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


def test_every_knob_says_what_it_does():
    assert all(doc and variable == "SEGUE_" + name.upper() for name, variable, _, _, doc in table())


def test_texts_are_made_only_for_readers(capsys):
    made = []
    with config.override(logs="", debug_dir=""):
        log.log("graph", lambda: made.append(1) or "text")
        assert not made and not log.enabled("graph")
        with log.listen("graph") as seen:
            log.log("graph", lambda: "text", title="first")
            log.log("code", "other")
        assert seen == [log.Artefact("graph", "first", "text")]
    with config.override(logs="graph, breaks"):
        log.log("graph", "to stderr")
        log.log("code", "not shown")
    assert capsys.readouterr().err == "[segue graph] to stderr\n"
    with pytest.raises(KeyError):
        log.log("graf", "x")


def test_unknown_kinds_warn():
    with config.override(logs="graf"), pytest.warns(UserWarning, match="unknown kinds graf"):
        log.enabled("graph")


def test_debug_folder_receives_files(tmp_path):
    with config.override(debug_dir=str(tmp_path / "made")):
        log.log("code", "int x;")
    (file,) = (tmp_path / "made").iterdir()
    assert file.suffix == ".cpp" and file.read_text() == "int x;\n"


def test_a_debug_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with config.override(debug_dir=str(tmp_path / "file")), pytest.warns(UserWarning, match="cannot be written"):
        log.log("code", "x")


def test_counters():
    counters = Stats()
    before = counters.read()
    counters.count("kernels", 3)
    with pytest.raises(ZeroDivisionError), counters.timed("build_seconds"):
        1 / 0  # noqa: B018
    assert counters.since(before)["kernels"] == 3 and counters["build_seconds"] > 0
    counters.reset()
    assert not any(counters.read().values())
    with pytest.raises(KeyError):
        counters.count("grafs")


def test_errors_show_the_users_line():
    with pytest.raises(RuntimeError) as caught:
        segue.ones(2, 3) + segue.ones(4)
    text = str(caught.value)
    assert "(2, 3)" in text.replace("[", "(").replace("]", ")") and __file__ in text and "segue.ones(2, 3) + segue.ones(4)" in text and "^" in text


def test_the_tracers_place_wins():
    place = errors.Location("model.py", 7, "forward")
    with errors.at(lambda: place):
        assert errors.user_location() is place
        assert 'File "model.py", line 7, in forward' in errors.message("wrong", "this")
    found = errors.user_location()
    assert found.file == __file__ and found.function == "test_the_tracers_place_wins"
