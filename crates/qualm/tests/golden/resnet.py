"""Residual networks in training: features, statistics and gradients of PyTorch in float64.

    python3 resnet.py      # torch 2.15, torchvision 0.30; writes resnet.json

Weights and images are a function of their place, so that no file has to hold them: see
`uniform`. Of every tensor at most 9 values are kept, evenly spread.

Each network comes twice. "open": the shifts of batch norm are so large that every rectifier is
clearly open or closed, and rounding cannot change which; there the gradients must agree to 1e-4.
"mixed": ordinary shifts. Rounding then closes rectifiers that are open in float64, in PyTorch too:
its own error in float32 is recorded, as the largest over tensors of
`largest difference / largest value`.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet

KEPT = 9
# A tensor whose gradients are this much smaller than the largest of the network is not asked for
# digits of its own: without rectifiers some vanish.
FLOOR = 1e-3


def uniform(seed, n):
    """n numbers from [-1, 1), multiples of 2^-23: splitmix64 of (seed, place)."""
    with np.errstate(over="ignore"):
        x = np.arange(1, n + 1, dtype=np.uint64) + (np.uint64(seed) << np.uint64(32))
        x *= np.uint64(0x9E3779B97F4A7C15)
        x ^= x >> np.uint64(30)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(27)
        x *= np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(40)).astype(np.float64) / 2**23 - 1


class Padding(nn.Module):
    """Option A."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        side = (self.channels - x.shape[1]) // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, side, side))


def cifar(depth, projection):
    """He et al., section 4.2, with torchvision's blocks and names."""
    net = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1])
    net.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    net.bn1 = nn.BatchNorm2d(16)
    net.maxpool = nn.Identity()
    n_in = 16
    for stage, channels in enumerate([16, 32, 64]):
        blocks = []
        for b in range((depth - 2) // 6):
            stride = 2 if b == 0 and stage > 0 else 1
            shortcut = None
            if stride == 2 and projection:
                shortcut = nn.Sequential(
                    nn.Conv2d(n_in, channels, 1, 2, bias=False), nn.BatchNorm2d(channels)
                )
            elif stride == 2:
                shortcut = Padding(channels)
            blocks.append(resnet.BasicBlock(n_in, channels, stride, shortcut))
            n_in = channels
        setattr(net, f"layer{stage + 1}", nn.Sequential(*blocks))
    net.layer4 = nn.Identity()
    net.fc = nn.Identity()
    return net


def wide(depth, small):
    net = {18: resnet.resnet18, 34: resnet.resnet34, 50: resnet.resnet50}[depth]()
    if small:
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    net.fc = nn.Identity()
    return net


CASES = {
    "resnet8": (lambda: cifar(8, False), [4, 8, 8]),
    "resnet20": (lambda: cifar(20, False), [6, 9, 7]),
    "resnet8-b": (lambda: cifar(8, True), [3, 11, 8]),
    "resnet18-cifar": (lambda: wide(18, True), [4, 16, 16]),
    "resnet18": (lambda: wide(18, False), [4, 45, 70]),
    "resnet50": (lambda: wide(50, False), [6, 64, 64]),
    "resnet50-cifar": (lambda: wide(50, True), [6, 16, 16]),
}


def tensors(net):
    named = dict(net.named_parameters()) | dict(net.named_buffers())
    return {k: v for k, v in named.items() if not k.endswith("num_batches_tracked")}


def order(net):
    """Names as our networks order them: convolution, then its batch norm."""
    return [k for k in net.state_dict() if not k.endswith("num_batches_tracked")]


def fill(net, open_):
    named = tensors(net)
    for i, name in enumerate(order(net)):
        tensor = named[name]
        values = uniform(i + 1, tensor.numel())
        if tensor.dim() == 4:
            values *= (6 / (tensor.numel() / tensor.shape[1])) ** 0.5
        elif name.endswith("running_mean"):
            values *= 0.1
        elif name.endswith("weight") or name.endswith("running_var"):
            values = 1 + values / 4
        elif open_:
            # Inside a block every other channel is closed; what reaches a sum is open.
            inner = name.endswith("bn1.bias") and name != "bn1.bias"
            inner |= name.endswith("bn2.bias") and isinstance(net.layer1[0], resnet.Bottleneck)
            sign = 1 - 2 * (np.arange(len(values)) % 2) * inner
            values = sign * (7 + values)
        else:
            values *= 0.3
        tensor.data.copy_(torch.from_numpy(values.reshape(tensor.shape)))


def spread(values):
    values = values.detach().double().flatten().numpy()
    step = max(len(values) // KEPT, 1)
    return values[::step][:KEPT].tolist()


def run(net, size, dtype):
    net = net.to(dtype).train()
    n, rows, cols = size
    images = torch.from_numpy(1.5 * uniform(1000, n * rows * cols * 3)).to(dtype)
    images = images.view(n, rows, cols, 3).permute(0, 3, 1, 2).contiguous()
    closest = []
    hooks = [
        m.register_forward_pre_hook(lambda _, x: closest.append(x[0].abs().min().item()))
        for m in net.modules()
        if isinstance(m, nn.ReLU)
    ]
    features = net(images)
    for hook in hooks:
        hook.remove()
    by_features = torch.from_numpy(uniform(1001, features.numel())).to(dtype)
    features.backward(by_features.view(features.shape))
    with torch.no_grad():
        inferred = net.eval()(images)
    return features, inferred, min(closest)


def largest_error(found, expected):
    top = max(e.abs().max() for e in expected)
    return max(
        ((f.double() - e).abs().max() / max(e.abs().max(), FLOOR * top)).item()
        for f, e in zip(found, expected)
    )


def main():
    torch.manual_seed(0)
    written = {}
    for name, (make, size) in CASES.items():
        for kind in ["open", "mixed"]:
            nets, outs = {}, {}
            for dtype in [torch.float64, torch.float32]:
                net = make().to(torch.float64)
                fill(net, kind == "open")
                outs[dtype] = run(net, size, dtype)
                nets[dtype] = tensors(net)
            features, inferred, closest = outs[torch.float64]
            if kind == "open" and closest < 0.05:
                raise SystemExit(f"{name}: a rectifier is only {closest} from its edge")
            exact, single = nets[torch.float64], nets[torch.float32]
            trained = [k for k in exact if exact[k].requires_grad]
            written[f"{name} {kind}"] = {
                "architecture": name,
                "open": kind == "open",
                "size": size,
                "features": spread(features),
                "inferred": spread(inferred),
                "running": {k: spread(exact[k]) for k in exact if "running" in k},
                "gradients": {k: spread(exact[k].grad) for k in trained},
                "largest": {k: exact[k].grad.abs().max().item() for k in trained},
                "float32_features": largest_error([outs[torch.float32][0]], [features]),
                "float32_gradients": largest_error(
                    [single[k].grad for k in trained], [exact[k].grad for k in trained]
                ),
            }
            case = written[f"{name} {kind}"]
            print(name, kind, closest, case["float32_features"], case["float32_gradients"])

    def short(value):
        if isinstance(value, dict):
            return {k: short(v) for k, v in value.items()}
        if isinstance(value, list):
            return [short(v) for v in value]
        return float(f"{value:.8g}") if isinstance(value, float) else value

    path = Path(__file__).with_suffix(".json")
    text = json.dumps(short(written), separators=(",", ":"))
    path.write_text(text.replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
