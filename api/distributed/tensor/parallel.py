"""Names of layers spread over processes: there is one process, so they may be imported and not used."""

from segue.eager.absent import ColwiseParallel, ParallelStyle, PrepareModuleInput, PrepareModuleOutput, RowwiseParallel, SequenceParallel, parallelize_module

__all__ = [
    "ColwiseParallel", "ParallelStyle", "PrepareModuleInput", "PrepareModuleOutput", "RowwiseParallel", "SequenceParallel", "parallelize_module",
]  # fmt: skip
