"""Mixed precision under PyTorch's older path: for CUDA devices, of which there are none."""

from segue.eager.amp.functions import CudaAutocast as autocast, CudaGradScaler as GradScaler, cuda_custom_bwd as custom_bwd, cuda_custom_fwd as custom_fwd

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]
