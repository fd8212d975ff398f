"""The version, as programs for PyTorch look it up."""

__version__ = "2.13.0+segue"
cuda = hip = xpu = None
debug = False
git_version = "unknown"
