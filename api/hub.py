"""Weights from the web, and models from a folder."""

from segue.eager.hub import (  # noqa: F401
    HASH_REGEX, _get_torch_home, download_url_to_file, get_dir, help, list, load, load_state_dict_from_url, load_url, set_dir, urlparse,
)

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]
