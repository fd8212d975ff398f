"""Saving and loading, and which classes of one's own a checkpoint may name."""

from segue.eager.serialization import MAP_LOCATION, add_safe_globals, clear_safe_globals, get_safe_globals, load, safe_globals, save

__all__ = ["MAP_LOCATION", "add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"]
