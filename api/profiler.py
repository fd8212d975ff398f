"""The time that named ranges of a program take."""

from segue.eager.profiler import ProfilerActivity, profile, record_function, schedule, tensorboard_trace_handler

__all__ = ["ProfilerActivity", "profile", "record_function", "schedule", "tensorboard_trace_handler"]
