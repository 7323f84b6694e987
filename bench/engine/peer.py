"""The same network, objective and data in PyTorch, driven line by line as the Rust side is.

    setup DIR d h diagonal|circular batch eager|fused|compile [cuda]
    train N | score ROWS N | product m k n N
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch


class Peer:
    def __init__(self, folder, d, h, covariance, batch, mode, device="cpu"):
        folder = Path(folder)
        out = d if covariance == "diagonal" else 1
        sizes = [d, h, h, out]
        flat = np.fromfile(folder / "params.f32", np.float32)
        layers, at = [], 0
        for n_in, n_out in zip(sizes, sizes[1:]):
            layer = torch.nn.Linear(n_in, n_out)
            weight = flat[at : at + n_in * n_out].reshape(n_in, n_out)
            at += n_in * n_out
            bias = flat[at : at + n_out]
            at += n_out
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight.T.copy()))
                layer.bias.copy_(torch.from_numpy(bias.copy()))
            layers += [layer, torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*layers[:-1]).to(device)
        options = {"fused": True} if mode == "fused" else {}
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-3, **options)
        self.rows = torch.from_numpy(np.fromfile(folder / "rows.f32", np.float32)).view(-1, d)
        self.rows = self.rows.to(device)
        self.batch = batch
        self.batches = json.loads((folder / "batches.json").read_text())
        self.loss_of = torch.compile(self.loss) if mode == "compile" else self.loss
        self.step = 0

    def loss(self, z):
        """The negated dot product of the means of two bags, products of Gaussian experts."""
        s = self.net(z)
        weights = torch.softmax(-s.view(2, self.batch // 2, -1), dim=1)
        means = (weights * z.view(2, self.batch // 2, -1)).sum(dim=1)
        return -(means[0] * means[1]).sum()

    def train(self, n):
        losses = []
        for _ in range(n):
            if self.step < len(self.batches):
                picked = torch.tensor(self.batches[self.step])
            else:
                picked = torch.randperm(len(self.rows))[: self.batch]
            self.adam.zero_grad()
            loss = self.loss_of(self.rows[picked])
            loss.backward()
            self.adam.step()
            losses.append(loss.item())
            self.step += 1
        return {"losses": losses}

    def score(self, n_rows, n):
        with torch.inference_mode():
            rows = self.rows[:n_rows]
            for _ in range(n):
                s = self.net(rows)
                copies = rows.shape[1] // s.shape[1]
                scores = 0.5 * (torch.logsumexp(2 * s.double(), dim=1) + np.log(copies))
        return {"scores": scores[:3].tolist()}


def product(m, k, n, times):
    a, b = torch.full((m, k), 0.5), torch.full((k, n), 0.25)
    out = torch.empty(m, n)
    for _ in range(times):
        torch.mm(a, b, out=out)
    return {}


def main():
    torch.set_num_threads(int(sys.argv[1]))
    peer = None
    for line in sys.stdin:
        word, *rest = line.split()
        started = time.perf_counter()
        if word == "setup":
            folder, d, h, covariance, batch, mode, *device = rest
            peer = Peer(folder, int(d), int(h), covariance, int(batch), mode, *device)
            answer = {"torch": torch.__version__}
        elif word == "train":
            answer = peer.train(int(rest[0]))
        elif word == "score":
            answer = peer.score(*map(int, rest))
        elif word == "product":
            answer = product(*map(int, rest))
        else:
            raise SystemExit(f"not understood: {line}")
        answer["seconds"] = time.perf_counter() - started
        print(json.dumps(answer), flush=True)


main()
