"""TorchScript's names: each returns what it is given."""

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: F401, UP035  # programs import the types of annotations from torch.jit.annotations

from segue.eager.absent import ScriptModule  # noqa: F401
from segue.eager.scripting import *  # noqa: F403
from segue.eager.scripting import _overload, _overload_method  # noqa: F401
