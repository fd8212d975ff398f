"""The model programs of programs/, as modules over segue or over PyTorch."""

import re
import types
from pathlib import Path

FOLDER = Path(__file__).parent / "programs"


def load(name, framework):
    """The program as a module, over `segue` or over `torch`."""
    path = FOLDER / f"{name}.py"
    text = path.read_text()
    if framework == "segue":
        text = re.sub(r"^import torch$", "import segue as torch", text, flags=re.M)
        text = re.sub(r"^(import|from) torch\b", r"\1 segue", text, flags=re.M)
    module = types.ModuleType(f"{framework}_{name}")
    exec(compile(text, path, "exec"), vars(module))  # noqa: S102
    return module
