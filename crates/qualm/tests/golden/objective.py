"""Write objective.safetensors: the model's objective, its training steps and its scores.

    pip install torch numpy safetensors
    python objective.py

PyTorch in float64 is the independent implementation; inputs are float32 numbers, so that
both sides start from the same bits. Tensor names and shapes are in README.md.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

COVARIANCES = ("diagonal", "circular")
OBJECTIVES = ("dot", "cosine")
ADAM_SEED = 51


def normals(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def loss(z: torch.Tensor, s: torch.Tensor, m: int, objective: str) -> torch.Tensor:
    """The objective, to be minimised, straight from its definition.

    z: (B, d) vectors. s: (B, d) or (B, 1) log-variances. Rows in order make bags of m;
    bags 2j and 2j + 1 are a pair. A bag's mean is sum_i w_i z_i / sum_i w_i with precisions
    w_i = exp(-s_i), elementwise (with (B, 1), one w for all dimensions of a row).
    """
    bags_z = z.reshape(-1, m, z.shape[1])
    bags_w = torch.exp(-s).reshape(-1, m, s.shape[1])
    mu = (bags_w * bags_z).sum(dim=1) / bags_w.sum(dim=1)
    a, b = mu[0::2], mu[1::2]
    agreement = (a * b).sum(dim=1)
    if objective == "cosine":
        agreement = agreement / (a.norm(dim=1) * b.norm(dim=1))
    return -agreement.mean()


def gradients() -> dict[str, np.ndarray]:
    """The loss and its gradient with respect to the log-variances, by autograd."""
    d = 6
    tensors = {}
    for covariance in COVARIANCES:
        for m, bags in ((2, 4), (8, 4), (128, 2)):
            rng = np.random.default_rng([1, m, COVARIANCES.index(covariance)])
            z = normals(rng, m * bags, d)
            s = normals(rng, m * bags, d if covariance == "diagonal" else 1, scale=1.5)
            for objective in OBJECTIVES:
                s64 = torch.from_numpy(s).double().requires_grad_()
                value = loss(torch.from_numpy(z).double(), s64, m, objective)
                value.backward()
                key = f"objective.{covariance}.{objective}.m{m}"
                tensors[f"{key}.z"] = z
                tensors[f"{key}.s"] = s
                tensors[f"{key}.loss"] = value.detach().reshape(1).numpy()
                tensors[f"{key}.grad"] = s64.grad.numpy()
    return tensors


def adam_steps(seed: int) -> dict[str, np.ndarray]:
    """Three Adam steps of the network z -> s: d = 5 -> 16 -> 16 -> k, ReLU between.

    Weights are stored as PyTorch holds them, (out, in): a layer is x @ weight.T + bias.

    A bag's mean does not change when one constant is added to the log-variances of its
    rows, so the last bias (net.4.bias) has no gradient but rounding: in float64 it stays
    where it is, in float32 Adam turns the rounding into steps of up to the learning rate.
    Hidden units that are on for whole bags only would have the same trouble; the seed is
    one without them, and without any other gradient too small for float32 to get right.
    """
    d, hidden, rows, m, steps = 5, 16, 16, 4, 3
    tensors = {}
    for covariance in COVARIANCES:
        k = d if covariance == "diagonal" else 1
        rng = np.random.default_rng([seed, k])
        net = nn.Sequential(
            nn.Linear(d, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, k),
        ).double()
        key = f"adam.{covariance}"
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                initial = normals(rng, *parameter.shape, scale=0.4 if parameter.ndim == 2 else 0.1)
                tensors[f"{key}.init.net.{name}"] = initial
                parameter.copy_(torch.from_numpy(initial))
        adam = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
        batches = normals(rng, steps, rows, d)
        losses = []
        for batch in batches:
            z = torch.from_numpy(batch).double()
            adam.zero_grad()
            value = loss(z, net(z), m, "dot")
            value.backward()
            losses.append(value.item())
            for name, parameter in net.named_parameters():
                size = parameter.grad.abs()
                if name != "4.bias" and ((size > 0) & (size < 1e-5)).any():
                    raise ValueError(f"{key}, {name}: a gradient under 1e-5; choose another seed")
            adam.step()
        tensors[f"{key}.z"] = batches
        tensors[f"{key}.losses"] = np.array(losses)
        for name, parameter in net.named_parameters():
            tensors[f"{key}.final.net.{name}"] = parameter.detach().numpy()
    return tensors


def statistics() -> dict[str, np.ndarray]:
    """Scores of a row's covariance, from the (d, d) matrix itself.

    Log-variances of some rows are so large that exp overflows float32.
    """
    d = 6
    tensors = {}
    for covariance in COVARIANCES:
        rng = np.random.default_rng([3, COVARIANCES.index(covariance)])
        width = d if covariance == "diagonal" else 1
        s = normals(rng, 6, width, scale=1.5)
        s[1] = 0.0
        s[2] += 120.0
        s[3] -= 120.0
        if covariance == "diagonal":
            s[4] = [100.0, -100.0, 50.0, 0.0, -50.0, 99.0]
        covariances = [np.diag(np.exp(np.broadcast_to(row, d).astype(np.float64))) for row in s]
        key = f"statistic.{covariance}"
        tensors[f"{key}.s"] = s
        tensors[f"{key}.log_norm"] = np.array([np.log(np.linalg.norm(c)) for c in covariances])
        tensors[f"{key}.log_trace"] = np.array([np.log(np.trace(c)) for c in covariances])
        tensors[f"{key}.entropy"] = np.array([np.linalg.slogdet(c)[1] / d for c in covariances])
    return tensors


def main() -> None:
    torch.set_num_threads(1)
    tensors = {**gradients(), **adam_steps(ADAM_SEED), **statistics()}
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in sorted(tensors.items())}
    path = Path(__file__).with_name("objective.safetensors")
    save_file(tensors, path)
    path.chmod(0o644)


if __name__ == "__main__":
    main()
