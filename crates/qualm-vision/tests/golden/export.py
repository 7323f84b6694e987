"""Checks exported encoders: python export.py ENCODER.safetensors ENCODER.onnx [...]

Each pair comes from `qualm train ... -o ENCODER.safetensors --export ENCODER.onnx`. The ONNX file
must pass onnx.checker, and onnxruntime must give what PyTorch gives with the tensors of the
safetensors file: torchvision's networks for resnet18, 34 and 50, and He et al.'s CIFAR networks
written out here. Needs onnx, onnxruntime, torch, torchvision, safetensors.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
import torchvision
from safetensors import safe_open
from torch import nn


class Block(nn.Module):
    """A basic block; with option A the shortcut is every second pixel between zeros."""

    def __init__(self, n_in: int, n_out: int, stride: int, option_b: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.stride, self.zeros = stride, (n_out - n_in) // 2
        if stride > 1 and option_b:
            conv = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(n_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "downsample"):
            x = self.downsample(x)
        elif self.stride > 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.zeros, self.zeros))
        return F.relu(y + x)


class Cifar(nn.Module):
    def __init__(self, depth: int, option_b: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        n_in = 16
        for stage, n_out in enumerate([16, 32, 64]):
            blocks = []
            for b in range((depth - 2) // 6):
                stride = 2 if stage > 0 and b == 0 else 1
                blocks.append(Block(n_in, n_out, stride, option_b))
                n_in = n_out
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x))).mean((2, 3))


def network(name: str) -> nn.Module:
    base, _, suffix = name.partition("-")
    depth = int(base.removeprefix("resnet"))
    if depth not in (18, 34, 50):
        return Cifar(depth, suffix == "b")
    net = getattr(torchvision.models, base)()
    net.fc = nn.Identity()
    if suffix == "cifar":
        net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        net.maxpool = nn.Identity()
    return net


def main() -> None:
    for weights, exported in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        with safe_open(weights, "pt") as file:
            about = json.loads(file.metadata()["qualm_encoder"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        heads = {n: t for n, t in tensors.items() if n.startswith(("fc.", "head."))}
        net = network(about["architecture"]).double().eval()
        missing, unexpected = net.load_state_dict(
            {n: t.double() for n, t in tensors.items() if n not in heads}, strict=False
        )
        assert not unexpected and all("num_batches_tracked" in n for n in missing), missing
        model = onnx.load(exported)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(exported)
        how = about["preprocessing"]
        mean, std = (np.array(how[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
        for batch in (1, 5):
            size = how["size"]
            rng = np.random.default_rng(batch)
            images = rng.random((batch, 3, size, size), dtype=np.float32)
            with torch.no_grad():
                features = net(torch.tensor((images - mean) / std))
            expected = {"features": features}
            if "fc.weight" in heads:
                logits = features @ heads["fc.weight"].double().T + heads["fc.bias"].double()
                expected["logits"] = logits
            names = [output.name for output in session.get_outputs()]
            found = dict(zip(names, session.run(names, {"images": images})))
            assert found.keys() == expected.keys()
            for name, values in expected.items():
                apart = np.abs(found[name] - values.numpy()).max() / values.abs().max().item()
                print(f"{exported} ({about['architecture']}), batch {batch}, {name}: {apart:.1e}")
                assert apart < 1e-4
    print("all agree")


if __name__ == "__main__":
    main()
