"""`segue.onnx`: what programs for PyTorch ask of `torch.onnx`.

In comes a question, out goes the answer of a system that writes no ONNX files. The one idea: importing the module and asking whether an export runs go
well, as programs do both by habit; only the export itself says that it is not there.
"""

from __future__ import annotations

from typing import Any

from .errors import error

__all__ = ["dynamo_export", "export", "is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """Whether a model is being written as ONNX: never.

    >>> is_in_onnx_export()
    False
    """
    return False


def export(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError: no ONNX files are written here. The weights move with `segue.save(model.state_dict(), f, format="torch")`."""
    raise error(NotImplementedError, f"onnx.export: ONNX files are not written here, so {type(model).__name__} cannot be exported; its weights can",
        'segue.save(model.state_dict(), f, format="torch"), and PyTorch\'s exporter on the same model there')  # fmt: skip


dynamo_export = export
