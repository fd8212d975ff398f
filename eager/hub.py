"""Weights from the web, and models from a folder: `segue.hub`.

In come URLs, out go state dicts; in comes a folder with a `hubconf.py`, out go what its functions make. The one idea: files are kept where PyTorch keeps
them, so one download serves both; code is taken from folders alone, never from the web, and a downloaded file is read without running anything from it.
"""

from __future__ import annotations

import hashlib
import os
import re
import runpy
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from .errors import error
from .serialization.front import load as load_file

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
_chosen: list[str] = []


def get_dir() -> str:
    """The folder for downloads: what `set_dir` said, else `hub` in $TORCH_HOME or in `torch` of the user's cache."""
    if _chosen:
        return _chosen[0]
    return os.path.join(_get_torch_home(), "hub")


def _get_torch_home() -> str:
    """The folder that holds `hub`: libraries that keep files of their own beside it ask for it by this name."""
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    return os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")))


def set_dir(d: str | os.PathLike) -> None:
    """Keep downloads in another folder."""
    _chosen[:] = [os.path.expanduser(os.fspath(d))]


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Write what a URL gives to a file. Raises RuntimeError, and writes nothing, where its SHA-256 does not begin with `hash_prefix`."""
    place = Path(dst).expanduser()
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=place.name, delete=False) as partial:
        try:
            with urllib.request.urlopen(url) as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
                    partial.write(block)
            found = digest.hexdigest()
            if hash_prefix is not None and not found.startswith(hash_prefix):
                raise error(RuntimeError, f'invalid hash value (expected "{hash_prefix}", got "{found[: len(hash_prefix)]}") of {url}')
            partial.close()
            os.replace(partial.name, place)
        except BaseException:
            os.unlink(partial.name)
            raise


def load_state_dict_from_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True, check_hash: bool = False, file_name: str | None = None,
    weights_only: bool = True,
) -> Any:  # fmt: skip
    """What a file of the web holds, downloaded where it is not there yet, into `checkpoints` of `get_dir()`. `check_hash` takes the hash from its name
    (`resnet18-f37072fd.pth`). Raises as `load` and `download_url_to_file` do.

    >>> import segue, tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     segue.save({"w": segue.ones(2)}, f"{folder}/a.pt")
    ...     load_state_dict_from_url(pathlib.Path(folder, "a.pt").as_uri(), model_dir=folder)
    {'w': tensor([1., 1.])}
    """
    folder = Path(model_dir if model_dir is not None else os.path.join(get_dir(), "checkpoints"))
    folder.mkdir(parents=True, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    if not (folder / name).exists():
        said = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, str(folder / name), said.group(1) if said else None, progress)
    return load_file(str(folder / name), map_location=map_location, weights_only=weights_only)


load_url = load_state_dict_from_url


def _entries(repo_or_dir: Any, source: str) -> dict[str, Callable]:
    if source != "local":
        raise error(RuntimeError, f"hub: code is not fetched from {source} ({repo_or_dir})", 'load(a folder with a hubconf.py, ..., source="local")')
    sys.path.insert(0, os.fspath(repo_or_dir))
    try:
        found = runpy.run_path(os.path.join(repo_or_dir, "hubconf.py"))
    finally:
        sys.path.remove(os.fspath(repo_or_dir))
    missing = [name for name in found.get("dependencies", ()) if not _is_there(name)]
    if missing:
        raise error(RuntimeError, f"Missing dependencies: {', '.join(missing)}")
    return {name: value for name, value in found.items() if callable(value) and not name.startswith("_")}


def _is_there(package: str) -> bool:
    try:
        __import__(package)
    except ImportError:
        return False
    return True


def _entry(repo_or_dir: Any, model: str, source: str) -> Callable:
    entries = _entries(repo_or_dir, source)
    if model not in entries:
        raise error(RuntimeError, f"Cannot find callable {model} in hubconf")
    return entries[model]


def load(
    repo_or_dir: Any, model: str, *args: Any, source: str = "github", trust_repo: Any = None, force_reload: bool = False, verbose: bool = True,
    skip_validation: bool = False, **kwargs: Any,
) -> Any:  # fmt: skip
    """What the function `model` of a folder's `hubconf.py` makes, with `source="local"`. Raises RuntimeError for other sources and names."""
    return _entry(repo_or_dir, model, source)(*args, **kwargs)


def list(github: Any, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = None, verbose: bool = True, *, source: str = "local") -> Any:
    """The names that `load` takes."""
    return sorted(_entries(github, source))


def help(
    github: Any, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = None, verbose: bool = True, *, source: str = "local"
) -> str | None:
    """The docstring of a name that `load` takes."""
    return _entry(github, model, source).__doc__
