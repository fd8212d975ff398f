"""Names of models shared out over processes: there is one process, so they may be imported and not used."""

from segue.eager.absent import BackwardPrefetch, CPUOffload, FSDPModule, FullStateDictConfig, FullyShardedDataParallel, MixedPrecision, ShardingStrategy, StateDictType, fully_shard

__all__ = ["BackwardPrefetch", "CPUOffload", "FSDPModule", "FullStateDictConfig", "FullyShardedDataParallel", "MixedPrecision", "ShardingStrategy", "StateDictType", "fully_shard"]
