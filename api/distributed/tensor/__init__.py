"""Names of tensors spread over processes: there is one process, so they may be imported and not used."""

from segue.distributed.tensor import parallel
from segue.eager.absent import DeviceMesh, DTensor, Partial, Placement, Replicate, Shard, distribute_module, distribute_tensor, init_device_mesh

__all__ = ["DTensor", "DeviceMesh", "Partial", "Placement", "Replicate", "Shard", "distribute_module", "distribute_tensor", "init_device_mesh", "parallel"]
