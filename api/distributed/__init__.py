"""What programs ask about groups of processes: there are none."""

from segue.distributed import device_mesh, fsdp, nn, rpc, tensor
from segue.eager.absent import DeviceMesh, FileStore, HashStore, ProcessGroup, Store, TCPStore, Work, init_device_mesh
from segue.eager.groups import (
    ReduceOp, all_gather, all_gather_object, all_reduce, barrier, broadcast, broadcast_object_list, destroy_process_group, gather, get_backend, get_rank,
    get_world_size, init_process_group, is_available, is_gloo_available, is_initialized, is_mpi_available, is_nccl_available, is_torchelastic_launched,
    new_group, recv, reduce, scatter, send,
)  # fmt: skip

__all__ = [
    "DeviceMesh", "FileStore", "HashStore", "ProcessGroup", "ReduceOp", "Store", "TCPStore", "Work", "all_gather", "all_gather_object", "all_reduce", "barrier", "broadcast", "broadcast_object_list", "destroy_process_group", "device_mesh", "fsdp", "gather",
    "get_backend", "get_rank", "get_world_size", "init_device_mesh", "init_process_group", "is_available", "is_gloo_available", "is_initialized", "is_mpi_available",
    "is_nccl_available", "is_torchelastic_launched", "new_group", "nn", "recv", "reduce", "rpc", "scatter", "send", "tensor",
]  # fmt: skip
