"""Names of calls in other processes: there are none, so they may be imported and not used."""

from segue.eager.absent import RRef, init_rpc, remote, rpc_async, rpc_sync, shutdown

__all__ = ["RRef", "init_rpc", "remote", "rpc_async", "rpc_sync", "shutdown"]
