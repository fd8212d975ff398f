"""Programs written for PyTorch: run as they are, installed and taken back, and what is missing says so."""

import copy
import pickle
import subprocess
import sys
import zipfile

import pytest

import segue

SCRIPT = """
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.backends.cudnn as cudnn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader

cudnn.benchmark = True
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
assert not torch.accelerator.is_available() and torch.accelerator.current_accelerator() is None
assert torch.__version__ >= "2" and tuple(map(int, torch.__version__.split("+")[0].split("."))) > (2, 0)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 1)
    @torch.jit.ignore
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.fc(x)) if not torch.jit.is_scripting() else x

model = torch.compile(Net().to(device), mode="reduce-overhead", backend="eager")
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for (x,) in DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)), batch_size=2):
    optimizer.zero_grad()
    model(x).sum().backward()
    optimizer.step()
assert isinstance(torch.LongTensor([1]), torch.LongTensor) and torch.Tensor(2, 3).shape == (2, 3)
print(sys.argv[1:], __name__)
sys.exit(3)
"""


def test_a_script_runs_as_it_is(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, "-m", "segue.torch", str(script), "--epochs", "1"], capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert done.stdout == "['--epochs', '1'] __main__\n"


HABITS = """
import copy
import numpy as np
import torch
import torch.autograd as autograd
import torch.distributed as dist
import torch.distributed.nn.functional
from torch.utils.checkpoint import get_device_states, set_device_states
import torch.multiprocessing as mp
import torch.nn as nn
from torch.hub import load_state_dict_from_url
from torch.nn.common_types import _size_2_t
from torch.nn.utils.clip_grad import clip_grad_norm_
from torch.optim.adamw import AdamW
from torch.utils.data._utils.collate import default_collate
from torch.utils.hooks import RemovableHandle
from torch.utils.model_zoo import load_url
from torch.autograd import Function, Variable
from torch.cuda.amp import autocast
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.init import _calculate_fan_in_and_fan_out
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.utils import _pair
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import prune
from torch.optim.lr_scheduler import _LRScheduler
from torch.optim.optimizer import Optimizer, required
from torch.profiler import ProfilerActivity, profile, record_function

Tensor = torch.cuda.FloatTensor if torch.cuda.is_available() else torch.FloatTensor
rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
assert rank == 0 and torch.version.cuda is None and _pair(3) == (3, 3)


class Momentum(Optimizer):
    def __init__(self, params, lr=required):
        super().__init__(params, dict(lr=lr))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if len(state) == 0:
                    state["mean"] = torch.zeros_like(p.data, memory_format=torch.preserve_format)
                state["mean"].mul_(0.9).add_(p.grad.data, alpha=0.1)
                p.data.add_(state["mean"], alpha=-group["lr"])


class Warm(_LRScheduler):
    def get_lr(self):
        return [base * min(1, (self.last_epoch + 1) / 4) for base in self.base_lrs]


class Reverse(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.neg() * ctx.scale, None


critic = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 1))
average = copy.deepcopy(critic).eval()
optimizer = Momentum(critic.parameters(), lr=0.1)
schedule = Warm(optimizer)
for _ in range(3):
    real, fake = Variable(Tensor(np.ones((6, 4)))), Reverse.apply(torch.rand(6, 4).type(Tensor), 0.5)
    mixed = (real + fake).requires_grad_(True)
    slope = autograd.grad(outputs=critic(mixed), inputs=mixed, grad_outputs=torch.ones(6, 1), create_graph=True, retain_graph=True, only_inputs=True)[0]
    loss = ((slope.view(6, -1).norm(2, dim=1) - 1) ** 2).mean() - critic(real).mean() + critic(fake.detach()).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    for p in critic.parameters():
        p.data.clamp_(-0.5, 0.5)
    with torch.no_grad():
        mine = critic.state_dict()
        for key, value in average.state_dict().items():
            if value.dtype.is_floating_point:
                value *= 0.9
                value += 0.1 * mine[key].detach()
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(3)
with profile(activities=[ProfilerActivity.CPU]) as profiled, record_function("attention"), sdpa_kernel(SDPBackend.MATH), autocast(enabled=False):
    nn.functional.scaled_dot_product_attention(*torch.rand(3, 1, 2, 4), is_causal=True)
assert "attention" in profiled.key_averages().table(sort_by="cpu_time_total")
with torch.device("meta"):
    assert nn.Linear(100000, 100000).weight.is_meta
prune.l1_unstructured(critic[3], "weight", amount=0.5)
mp.set_sharing_strategy("file_system")
torch.use_deterministic_algorithms(True, warn_only=True)
try:
    DistributedDataParallel(critic)
except RuntimeError as problem:
    print(type(loss.item()).__name__, optimizer.param_groups[0]["lr"], "process group" in str(problem))
"""


def test_what_programs_do_by_habit(tmp_path):
    script = tmp_path / "habits.py"
    script.write_text(HABITS)
    done = subprocess.run([sys.executable, "-m", "segue.torch", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "float 0.1 True\n"


CHECKPOINTS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 1)

net, optimizer = Net(), None
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
torch.save({"epoch": 3, "model": net.state_dict(), "optimizer": optimizer.state_dict()}, "checkpoint.pt")
loaded = torch.load("checkpoint.pt", map_location=torch.device("cpu"))
Net().load_state_dict(loaded["model"])
optimizer.load_state_dict(loaded["optimizer"])
torch.save(net, "net.pt")
assert torch.equal(torch.load("net.pt", weights_only=False).fc.weight, net.fc.weight)
print(loaded["epoch"], net.fc.weight.tolist())
"""


def test_a_script_saves_what_pytorch_reads_and_whole_modules(tmp_path):
    (tmp_path / "train.py").write_text(CHECKPOINTS)
    done = subprocess.run([sys.executable, "-m", "segue.torch", "train.py"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = segue.load(tmp_path / "checkpoint.pt")
    assert done.stdout == f"3 {loaded['model']['fc.weight'].tolist()}\n"
    with zipfile.ZipFile(tmp_path / "checkpoint.pt") as archive:
        assert archive.namelist()[0] == "archive/data.pkl"


@pytest.mark.parametrize("arguments, words", [([], "usage"), (["missing.py"], "no such file")])
def test_bad_command_lines(arguments, words):
    done = subprocess.run([sys.executable, "-m", "segue.torch", *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and words in done.stderr


@pytest.fixture
def installed():
    segue.torch.install()
    yield
    segue.torch.uninstall()


def test_names_are_segues(installed):
    import torch
    import torch.nn.functional

    assert torch.nn is segue.nn and torch.Tensor is segue.Tensor and torch.nn.functional.relu is segue.nn.functional.relu
    assert segue.nn.__spec__.name == "segue.nn"
    with pytest.raises(AttributeError, match="segue has no torch.frobnicate"):
        torch.frobnicate  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match="segue has no module torch.nowhere"):
        import torch.nowhere  # noqa: F401
    with pytest.raises(AttributeError):
        torch.config  # noqa: B018
    import torch.onnx

    assert not torch.onnx.is_in_onnx_export()
    for asked in (lambda: torch.onnx.export(torch.nn.ReLU(), torch.ones(1), "x.onnx"), lambda: torch.jit.save(torch.nn.ReLU(), "x.pt"), lambda: torch.jit.load("x.pt")):
        with pytest.raises(NotImplementedError, match="Instead: "):
            asked()
    with pytest.raises(AssertionError, match="why"):
        torch._assert(torch.tensor(False), "why")


def test_names_that_libraries_of_models_import(installed):
    import torch

    @torch.fx.wrap
    def double(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    assert torch.fx.wrap("double") == "double" and torch.compile(double)(torch.ones(2)).tolist() == [2, 2]
    from torch.hub import HASH_REGEX, _get_torch_home, get_dir
    from torch.jit.annotations import List

    assert HASH_REGEX.search("net-0a1b.pt").group(1) == "0a1b" and get_dir().startswith(_get_torch_home()) and List[int]
    with pytest.raises(RuntimeError, match="fx.wrap"):
        torch.fx.wrap(3)
    with pytest.raises(NotImplementedError, match="GraphModule"):
        torch.fx.symbolic_trace(torch.nn.ReLU())
    import torch.distributed.tensor
    from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
    from torch._higher_order_ops.associative_scan import associative_scan
    from torch._subclasses.fake_tensor import is_fake
    from torch._tensor_str import PRINT_OPTS, _tensor_str
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributions.half_cauchy import HalfCauchy
    from torch.distributions.utils import _sum_rightmost
    from torch.fx.experimental.proxy_tensor import get_proxy_mode
    from torch.overrides import has_torch_function
    from torch.utils.data.dataloader import _BaseDataLoaderIter

    x = torch.ones(2, 2)
    with TransformGetItemToIndex(), torch.backends.cudnn.flags(enabled=False):
        assert torch.vmap(lambda i: x[i, i])(torch.arange(2)).tolist() == [1, 1]
    for _ in range(2):  # the module stays one when it is imported again
        from torch._higher_order_ops.associative_scan import associative_scan  # noqa: F811

        assert associative_scan(torch.add, x, 0).tolist() == [[1, 1], [2, 2]]
    assert torch.torch is torch and torch.functional.einsum is torch.einsum and _sum_rightmost(x, 1).tolist() == [2, 2] and HalfCauchy(1.0).mean == torch.inf
    assert not is_fake(x) and get_proxy_mode() is None and PRINT_OPTS.threshold == 1000 and _tensor_str(x, 0).startswith("[[1., 1.]")
    assert isinstance(iter(torch.utils.data.DataLoader([1, 2])), _BaseDataLoaderIter) and not torch.cuda.is_current_stream_capturing()
    assert not isinstance(x, (DeviceMesh, torch.distributed.tensor.DTensor, torch.futures.Future))

    assert not torch._C._are_functorch_transforms_active() and torch.vmap(lambda y: y * torch._C._are_functorch_transforms_active())(x).sum() == 4
    assert torch._C._log_api_usage_once("a name") is None and not isinstance(3, torch.SymInt) and not isinstance(torch.nn.ReLU(), torch.jit.ScriptModule)
    torch._assert_async(x.sum() > 0, "why")
    with pytest.raises(RuntimeError, match="why"):
        torch._assert_async(x.sum() < 0, "why")

    class Plain:
        __torch_function__ = torch._C._disabled_torch_function_impl

    assert not has_torch_function((Plain(),)) and Plain.__torch_function__(max, (), (1, 2)) == 2


def test_names_are_captured(installed):
    import torch

    def f(x):
        with torch.no_grad():
            scale = torch.tensor(torch.pi)
        return torch.nn.functional.relu(torch.topk(x, 2)[0]) * scale if torch.is_grad_enabled() else x

    def named(x):
        import torch.distributed.rpc

        return x * 2 if torch.distributed.rpc.RRef and not hasattr(torch, "nowhere") and torch._subclasses.FakeTensor else x

    x = torch.ones(2, 3)
    torch._dynamo.mark_static_address(x)
    assert torch.equal(torch.compile(named, fullgraph=True, backend="eager")(x), x * 2)
    assert torch.equal(torch.compile(f, fullgraph=True, backend="eager")(x), f(x))


@pytest.mark.torch
def test_pytorch_comes_back():
    theirs = pytest.importorskip("torch")
    segue.torch.install()
    segue.torch.uninstall()
    import torch

    assert torch is theirs and torch.nn.Linear is theirs.nn.Linear


def test_questions_about_devices_and_switches():
    assert not segue.cuda.is_available() and segue.cuda.device_count() == 0 and not segue.mps.is_available()
    segue.cuda.manual_seed_all(1)
    with pytest.raises(RuntimeError, match="no CUDA device can be used here"):
        segue.cuda.current_device()
    segue.backends.cuda.matmul.allow_tf32 = True
    segue.set_float32_matmul_precision("high")
    assert segue.get_float32_matmul_precision() == "high"
    segue.set_float32_matmul_precision("highest")
    with pytest.raises(ValueError, match="medium"):
        segue.set_float32_matmul_precision("low")
    with pytest.raises(RuntimeError, match="cpu"):
        segue.set_default_device("cuda")
    assert segue.get_num_threads() >= 1


def test_legacy_types():
    x = segue.FloatTensor([[1, 2]])
    assert x.dtype is segue.float32 and x.tolist() == [[1.0, 2.0]] and segue.LongTensor(2, 3).shape == (2, 3) and segue.FloatTensor().numel() == 0
    assert x.type() == "segue.FloatTensor" and x.type(segue.LongTensor).dtype is segue.int64 and x.type("torch.DoubleTensor").dtype is segue.float64
    assert isinstance(x, segue.FloatTensor) and not isinstance(x, segue.LongTensor)
    with pytest.raises(TypeError, match="invalid type"):
        x.type("torch.FancyTensor")


BEFORE_IMPORT = """
import importlib.metadata, importlib.util
print(importlib.util.find_spec("torch").name, importlib.metadata.version("torch"), importlib.metadata.metadata("torch")["Name"], importlib.metadata.version("numpy") > "1")
import torch, torch.utils._foreach_utils as lists
import torch.compiler, torch.hub, torch.distributions.utils, torch.serialization
assert "USE_MKL=OFF" in torch.__config__.show() and torch.compiler.is_dynamo_compiling() is False and torch.serialization.MAP_LOCATION
assert torch.hub.get_dir().startswith(torch.hub._get_torch_home()) and torch.distributions.utils._standard_normal((2, 1), torch.float64, "cpu").dtype is torch.float64
parts = lists._group_tensors_by_device_and_dtype([[torch.ones(1), torch.ones(2, dtype=int), torch.ones(3)], [None] * 3, []], with_indices=True)
(ones, nothing, empty), where = parts[torch.device("cpu"), torch.float32]
print([len(x) for x in ones], nothing, empty, where)
"""


def test_what_programs_ask_before_they_import(tmp_path):
    script = tmp_path / "ask.py"
    script.write_text(BEFORE_IMPORT)
    done = subprocess.run([sys.executable, "-m", "segue.torch", str(script)], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["torch 2.13.0+segue torch True", "[1, 3] [None, None] [] [0, 2]"], done.stderr


def test_a_device_is_no_text():
    cpu = segue.device("cpu")
    assert cpu != "cpu" and cpu != "auto" and cpu not in ("cpu", "cuda") and cpu == segue.device("cpu") and {cpu: 1}.get("cpu") is None
    assert segue.compile(lambda x: x * (2 if x.device == "cpu" else 3))(segue.ones(1)).item() == 3
    assert not isinstance(segue.ones(1), segue.TensorType)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "uint16", "uint64", "complex32"])
def test_a_dtype_that_no_tensor_holds_is_a_name(name):
    kind = getattr(segue, name)
    assert pickle.loads(pickle.dumps(kind)) is kind and copy.deepcopy(kind) is kind and kind not in (segue.float32, segue.uint8)
    assert kind.is_floating_point is name.startswith("float") and kind.itemsize == {"float8_e4m3fn": 1, "float8_e5m2": 1, "uint16": 2, "uint64": 8, "complex32": 4}[name]
    x = segue.ones(2)
    makers = [lambda: segue.zeros(2, dtype=kind), lambda: x.to(kind), lambda: x.sum(dtype=kind), lambda: segue.tensor([1], dtype=kind)]
    for make in (*makers, lambda: segue.promote_types(kind, segue.float32), lambda: segue.compile(lambda x: x.to(kind))(x)):
        with pytest.raises(NotImplementedError, match=f"cannot hold segue.{name}"):
            make()
    layer = segue.nn.Linear(2, 2)
    for refused in (segue.set_default_dtype, layer.to):
        with pytest.raises((TypeError, NotImplementedError)):
            refused(kind)
    assert segue.get_default_dtype() is segue.float32 and layer.weight.dtype is segue.float32


def test_the_limits_of_names_without_tensors():
    assert segue.finfo(segue.float8_e4m3fn).max == 448 and segue.finfo(segue.float8_e5m2).max == 57344 and segue.iinfo(segue.uint16).max == 65535
    assert segue.finfo(segue.complex32) == segue.finfo(segue.float16) and segue.chalf is segue.complex32 is segue.float16.to_complex() and segue.complex32.to_real() is segue.half
    assert segue.complex128.to_real() is segue.float64 and segue.bfloat16.to_complex() is segue.complex64 and segue.int8.to_real() is segue.int8
    with pytest.raises(RuntimeError, match="complex numbers of segue.int64"):
        segue.int64.to_complex()
