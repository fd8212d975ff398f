"""Weights from the web, and models from a folder."""

from segue.eager.hub import download_url_to_file, get_dir, help, list, load, load_state_dict_from_url, load_url, set_dir  # noqa: F401

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]
