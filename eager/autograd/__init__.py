"""Automatic differentiation: the gradient mode, the tape, the engine that walks it, and user-defined functions."""
