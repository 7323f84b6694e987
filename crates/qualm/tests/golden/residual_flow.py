"""Writes residual_flow.json: log-likelihoods of residual flows of known weights, by a plain PyTorch
version of Zisselman & Tamar (CVPR 2020) in float64.

A flow maps whitened rows z through couplings. Each keeps the columns of one half and changes those of
the other: x -> (x - t) exp(-s), where a network of three linear layers and rectifiers gives s and t
of the kept half, and s goes through tanh. log p(z) is that of a normal distribution at the flow's
end, plus the logarithm of the determinant, which PyTorch computes here from the Jacobian.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn

CASES = [(2, 1, 3), (5, 4, 5), (7, 10, 4), (16, 3, 20)]
ROWS = 6


class Coupling(nn.Module):
    def __init__(self, kept, changed, hidden):
        super().__init__()
        self.kept, self.changed = kept, changed
        self.net = nn.Sequential(
            nn.Linear(len(kept), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2 * len(changed)),
        )

    def forward(self, z):
        s, t = self.net(z[self.kept]).chunk(2)
        out = z.clone()
        out[self.changed] = (z[self.changed] - t) * torch.exp(-torch.tanh(s))
        return out


def case(rank, couplings, hidden, rng):
    splits, layers = [], []
    for k in range(couplings):
        if k % 2 == 0:
            order = rng.permutation(rank).tolist()
            splits += order
            halves = order[: rank // 2], order[rank // 2 :]
        kept, changed = halves if k % 2 == 0 else halves[::-1]
        layers.append(Coupling(kept, changed, hidden))
    flow = nn.Sequential(*layers)
    parameters = []
    for p in flow.parameters():
        values = rng.normal(size=p.shape).astype(np.float32) * np.float32(0.5)
        p.data = torch.from_numpy(values.astype(float))
        parameters += values.ravel().tolist()
    rows = (1.5 * rng.normal(size=(ROWS, rank))).astype(np.float32).astype(float)
    expected = []
    for row in torch.from_numpy(rows):
        jacobian = torch.autograd.functional.jacobian(flow, row)
        log_det = torch.linalg.slogdet(jacobian).logabsdet
        normal = -rank / 2 * math.log(2 * math.pi) - (flow(row) ** 2).sum() / 2
        expected.append((normal + log_det).item())
    return {
        "rank": rank,
        "couplings": couplings,
        "hidden": hidden,
        "splits": splits,
        "parameters": [float(f"{v:.9g}") for v in parameters],
        "rows": [float(f"{v:.9g}") for v in rows.ravel()],
        "log_likelihood": [float(f"{v:.12g}") for v in expected],
    }


def main():
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(0)
    cases = [case(*sizes, rng) for sizes in CASES]
    text = json.dumps(cases, separators=(",", ":")).replace("},{", "},\n{")
    Path(__file__).with_suffix(".json").write_text(text + "\n")


main()
