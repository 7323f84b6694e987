"""The same network, images and steps in PyTorch, driven line by line as the Rust side is.

    setup DIR resnet20-b|resnet18-cifar BATCH eager|channels_last|compile
    train N | infer N
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """A basic block with a 1x1 convolution on the shortcut where the shape changes."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + shortcut, inplace=True)


class Net(nn.Module):
    def __init__(self, widths, n_blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        n_in = widths[0]
        for stage, width in enumerate(widths):
            blocks = []
            for b in range(n_blocks):
                blocks.append(Block(n_in, width, 2 if b == 0 and stage > 0 else 1))
                n_in = width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.n_stages = len(widths)
        self.fc = nn.Linear(n_in, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        for stage in range(self.n_stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


NETS = {
    "resnet20-b": lambda: Net([16, 32, 64], 3),
    "resnet18-cifar": lambda: Net([64, 128, 256, 512], 2),
}


class Peer:
    def __init__(self, folder, name, batch, mode):
        folder, batch = Path(folder), int(batch)
        net = NETS[name]()
        parts = json.loads((folder / "tensors.json").read_text())
        flat = torch.from_numpy(np.fromfile(folder / "tensors.f32", np.float32))
        state, at = net.state_dict(), 0
        for tensor, shape in parts:
            n = int(np.prod(shape))
            state[tensor] = flat[at : at + n].view(shape).clone()
            at += n
        net.load_state_dict(state)
        images = np.fromfile(folder / "images.f32", np.float32).reshape(batch, 32, 32, 3)
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.arange(batch) % 10
        if mode != "eager":
            net = net.to(memory_format=torch.channels_last)
            self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.net = net
        decayed = [p for p in net.parameters() if p.dim() > 1]
        others = [p for p in net.parameters() if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": 5e-4}, {"params": others}]
        self.sgd = torch.optim.SGD(groups, lr=0.001, momentum=0.9)
        self.loss_of = self.loss
        self.run = net
        if mode == "compile":
            self.loss_of = torch.compile(self.loss)
            self.run = torch.compile(net)

    def loss(self):
        return F.cross_entropy(self.net(self.images), self.labels)

    def train(self, n):
        self.net.train()
        losses = []
        for _ in range(n):
            self.sgd.zero_grad()
            loss = self.loss_of()
            loss.backward()
            self.sgd.step()
            losses.append(loss.item())
        return {"losses": losses}

    def infer(self, n):
        self.net.eval()
        with torch.inference_mode():
            for _ in range(n):
                logits = self.run(self.images)
        return {"logits": logits[0, :3].tolist()}


def main():
    torch.set_num_threads(int(sys.argv[1]))
    # Answers go out here; what a library prints must not stand among them.
    out, sys.stdout = sys.stdout, sys.stderr
    peer = None
    for line in sys.stdin:
        word, *rest = line.split()
        wall, cpu = time.perf_counter(), time.process_time()
        if word == "setup":
            peer = Peer(*rest)
            answer = {"torch": torch.__version__}
        elif word == "train":
            answer = peer.train(int(rest[0]))
        elif word == "infer":
            answer = peer.infer(int(rest[0]))
        else:
            raise SystemExit(f"not understood: {line}")
        answer["seconds"] = time.perf_counter() - wall
        answer["cpu"] = time.process_time() - cpu
        print(json.dumps(answer), file=out, flush=True)


main()
