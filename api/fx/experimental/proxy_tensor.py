"""What programs ask about a trace that is going on: there is none."""

from segue.eager.fx import get_proxy_mode

__all__ = ["get_proxy_mode"]
