"""The profiler under its older name."""

from segue.eager.profiler import EventList, FunctionEvent, profile, record_function

__all__ = ["EventList", "FunctionEvent", "profile", "record_function"]
