"""Golden files of weights: PyTorch files as training scripts write them, and one whole ResNet-8.

    pip install numpy pillow torch
    python weights.py

Writes weights/*.pth and weights.json beside itself. Made with PyTorch 2.15.0, Pillow 13.0.0.
"""

import collections
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from encoders import picture, with_pillow

HERE = pathlib.Path(__file__).parent / "weights"


class Block(nn.Module):
    """A basic block with the shortcut of option A, its names as akamaster has them."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.pad = (n_out - n_in) // 2

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.pad:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(out + x)


class ResNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2))
        self.layer3 = nn.Sequential(Block(32, 64, 2))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x))).mean((2, 3))


def network():
    torch.manual_seed(0)
    model = ResNet8().eval()
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.weight.data.uniform_(0.5, 1.5)
            m.bias.data.normal_(0, 0.2)
            m.running_mean.normal_(0, 0.2)
            m.running_var.uniform_(0.5, 1.5)
    model = model.half().float()
    half = {f"module.{k}": v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    torch.save({"epoch": 3, "best": 0.5, "state_dict": half}, HERE / "resnet8.pth")
    pixels = with_pillow(picture(), 32, "bilinear", "none", 1.0)
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    x = torch.from_numpy(((pixels / np.float32(255) - mean) / std).transpose(2, 0, 1)[None])
    with torch.no_grad():
        return model.double()(x.double())[0].tolist()


def tensors():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 4 - 1
    plain = collections.OrderedDict(
        float=base,
        half=base.half(),
        bfloat16=base.bfloat16(),
        double=base.double(),
        long=torch.tensor(7),
        strided=base.permute(2, 0, 1),
        part=base[1, 1:],
        parameter=nn.Parameter(base[0]),
        empty=torch.zeros(0, 3),
        scalar=torch.tensor(2.5),
    )
    plain._metadata = {"": {"version": 1}}
    torch.save(plain, HERE / "plain.pth")
    torch.save({"model": plain, "lr": [0.1, 1], "args": None, "big": 2**70}, HERE / "model.pt")
    torch.save({k: v for k, v in plain.items()}, HERE / "protocol4.pth", pickle_protocol=4)
    torch.save(plain, HERE / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": plain, "args": pathlib.PurePosixPath("a")}, HERE / "object.pth")
    torch.save({"state_dict": {"a": base, "epoch": 3}}, HERE / "mixed.pth")
    torch.save({"a": 1}, HERE / "none.pth")
    torch.jit.script(nn.Linear(2, 2)).save(HERE / "script.pt")
    return {k: {"shape": list(v.shape), "values": v.double().flatten().tolist()} for k, v in plain.items()}


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    golden = {"features": network(), "tensors": tensors()}
    (HERE.parent / "weights.json").write_text(json.dumps(golden) + "\n")
