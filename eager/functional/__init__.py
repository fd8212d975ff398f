"""The public operators on tensors: PyTorch's names and keywords over the rows of eager/ops.

In come tensors, numbers and PyTorch's arguments, out go tensors. The one idea: this package is also the namespace `F` that derivative formulas are
written over, since on traced tensors the same functions record a graph.
"""

import sys

from ..autograd.tape import install_namespace
from ..ops import dispatch  # noqa: F401  (installs itself)
from ..tensor import Tensor
from . import fourier, linalg, masked, networks, special
from .arguments import accept_numpy_names, cast
from .complex_numbers import *  # noqa: F403
from .contractions import *  # noqa: F403
from .copies import *  # noqa: F403
from .creation import *  # noqa: F403
from .distances import *  # noqa: F403
from .draws import *  # noqa: F403
from .draws import _sample_dirichlet, _standard_gamma
from .elementary import *  # noqa: F403
from .exchange import *  # noqa: F403
from .indexing import *  # noqa: F403
from .joining import *  # noqa: F403
from .joining import _chunk_cat
from .linalg.legacy import *  # noqa: F403
from .making import *  # noqa: F403
from .methods import attach, from_parts
from .networks import *  # noqa: F403
from .pointwise import *  # noqa: F403
from .products import *  # noqa: F403
from .reduction import *  # noqa: F403
from .repeats import *  # noqa: F403
from .scanning import *  # noqa: F403
from .selecting import *  # noqa: F403
from .selecting import _segment_reduce, _unsafe_masked_index, _unsafe_masked_index_put_accumulate
from .shape import *  # noqa: F403
from .spectrograms import *  # noqa: F403
from .statistics import *  # noqa: F403

for _namespace in (globals(), *map(vars, (fourier, linalg, linalg.legacy, masked, networks, special))):
    accept_numpy_names(_namespace)
attach(globals())
install_namespace(sys.modules[__name__])

from ..ops.definition import OPS as _rows  # noqa: E402

# Rows without a public function of their own are reachable for formulas under their row's name.
for _name, _row in _rows.items():
    if _name not in globals():
        globals()[_name] = _row

__all__ = [name for name in dir() if not name.startswith("_") and name not in ("sys", "install_namespace", "attach", "methods")]
_ = (_chunk_cat, _sample_dirichlet, _standard_gamma, _segment_reduce, _unsafe_masked_index, _unsafe_masked_index_put_accumulate, Tensor, linalg, special, cast, from_parts)
