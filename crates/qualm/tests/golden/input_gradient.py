"""Residual networks in inference: gradients by their images, of PyTorch in float64.

    python3 input_gradient.py      # torch 2.15, torchvision 0.29; writes input_gradient.json

Networks, weights and images are those of resnet.py, batch norm by its running statistics. The
function is the sum of the means over the feature maps of a stage, times a number of each channel. Of
each gradient at most 9 values are kept, evenly spread, in the order rows, columns, colours.
"""

import json
from pathlib import Path

import torch

from resnet import CASES, fill, spread, uniform


# Every kind of stem, block and shortcut.
NETWORKS = ["resnet8", "resnet20", "resnet8-b", "resnet18-cifar", "resnet18", "resnet50"]


def gradient(net, size, stage, dtype):
    net = net.to(dtype).eval()
    n, rows, cols = size
    images = torch.from_numpy(1.5 * uniform(1000, n * rows * cols * 3)).to(dtype)
    images = images.view(n, rows, cols, 3).requires_grad_()
    kept = []
    layer = getattr(net, f"layer{stage + 1}")
    hook = layer.register_forward_hook(lambda *args: kept.append(args[-1]))
    net(images.permute(0, 3, 1, 2))
    hook.remove()
    means = kept[0].mean(dim=(2, 3))
    weights = torch.from_numpy(uniform(1001, means.shape[1])).to(dtype)
    (means * weights).sum().backward()
    return images.grad


def main():
    written = {}
    for name in NETWORKS:
        make, size = CASES[name]
        last = 3 if name in ("resnet18", "resnet18-cifar", "resnet50") else 2
        for kind in ["open", "mixed"]:
            for stage in [0, last]:
                net = make().to(torch.float64)
                fill(net, kind == "open")
                exact = gradient(net, size, stage, torch.float64)
                single = gradient(net, size, stage, torch.float32)
                largest = exact.abs().max().item()
                error = (single.double() - exact).abs().max().item() / largest
                written[f"{name} {kind} {stage}"] = {
                    "architecture": name,
                    "open": kind == "open",
                    "size": size,
                    "stage": stage,
                    "gradient": [float(f"{v:.8g}") for v in spread(exact)],
                    "largest": float(f"{largest:.8g}"),
                    "float32": float(f"{error:.3g}"),
                }
                print(name, kind, stage, largest, error)
    path = Path(__file__).with_suffix(".json")
    text = json.dumps(written, separators=(",", ":"))
    path.write_text(text.replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
