"""Names of meshes of devices: there is one process, so they may be imported and not used."""

from segue.eager.absent import DeviceMesh, init_device_mesh

__all__ = ["DeviceMesh", "init_device_mesh"]
