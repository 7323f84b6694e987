"""Losses, heads and optimisers of training, by PyTorch in float64 (README.md says what is what).

Inputs are float32. LARS is written out here, tensor by tensor.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

# A head: sizes, batch norm before each rectifier, batch norm after the last layer.
HEADS = {
    "linear": ([6, 4], False, False),
    "plain": ([9, 20, 5], False, False),
    "projection": ([20, 33, 17], True, True),
    "prediction": ([8, 40, 70, 6], True, False),
}
RATES = [0.1, 0.3, 0.2]


def normals(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def leaf(values: np.ndarray) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def nt_xent(z: torch.Tensor, temperature: float) -> torch.Tensor:
    """Chen et al. 2020, eq. 1, row by row."""
    n = len(z)
    u = F.normalize(z, dim=1)
    losses = []
    for i in range(n):
        s = u @ u[i] / temperature
        others = torch.tensor([k for k in range(n) if k != i])
        losses.append(torch.logsumexp(s[others], 0) - s[(i + n // 2) % n])
    return torch.stack(losses).mean()


def info_nce(q: torch.Tensor, k: torch.Tensor, queue: torch.Tensor, temperature: float):
    """He et al. 2020, algorithm 1."""
    q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))


def losses() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    tensors = {}

    def add(key: str, x: np.ndarray, loss, **inputs: np.ndarray) -> None:
        z = leaf(x)
        value = loss(z)
        value.backward()
        tensors[f"{key}.x"] = x
        tensors[f"{key}.loss"] = np.array([value.item()])
        tensors[f"{key}.gradient"] = z.grad.numpy()
        tensors.update({f"{key}.{name}": array for name, array in inputs.items()})

    for case, (n, d, temperature) in enumerate([(4, 3, 0.5), (40, 20, 0.1), (130, 33, 0.5)]):
        x = normals(rng, n, d, scale=3.0)
        x[n // 2 :] = 0.7 * x[: n // 2] + normals(rng, n // 2, d)
        settings = np.array([temperature])
        add(f"nt_xent.{case}", x, lambda z, t=temperature: nt_xent(z, t), temperature=settings)
    for case, (n, size, d, temperature) in enumerate([(3, 5, 4, 0.1), (20, 75, 24, 0.2)]):
        q = normals(rng, n, d, scale=2.0)
        k = q + normals(rng, n, d)
        queue = F.normalize(torch.tensor(normals(rng, size, d)), dim=1).numpy()
        keys, rows = torch.tensor(k).double(), torch.tensor(queue).double()
        loss = lambda z, k=keys, c=rows, t=temperature: info_nce(z, k, c, t)  # noqa: E731
        add(f"info_nce.{case}", q, loss, keys=k, queue=queue, temperature=np.array([temperature]))
    p, t = normals(rng, 11, 19), normals(rng, 11, 19, scale=4.0)
    target = F.normalize(torch.tensor(t).double(), dim=1)
    add("byol", p, lambda z: (F.normalize(z, dim=1) - target).square().sum(1).mean(), targets=t)
    logits = normals(rng, 13, 7, scale=4.0)
    labels = rng.integers(0, 7, 13)
    add(
        "cross_entropy",
        logits,
        lambda z: F.cross_entropy(z, torch.tensor(labels)),
        labels=labels.astype(np.uint32),
    )
    return tensors


def head(sizes: list[int], hidden_norm: bool, last_norm: bool) -> torch.nn.Sequential:
    layers = []
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
        last = i == len(sizes) - 2
        norm = last_norm if last else hidden_norm
        layers.append(torch.nn.Linear(n_in, n_out, bias=not norm))
        layers += [torch.nn.BatchNorm1d(n_out)] if norm else []
        layers += [] if last else [torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


def heads() -> dict[str, np.ndarray]:
    tensors = {}
    for case, (name, (sizes, hidden_norm, last_norm)) in enumerate(HEADS.items()):
        rng = np.random.default_rng([1, case])
        torch.manual_seed(case)
        net = head(sizes, hidden_norm, last_norm)
        with torch.no_grad():
            for key, parameter in net.named_parameters():
                if parameter.ndim == 1:
                    centre = 1.0 if key.endswith("weight") else 0.0
                    parameter += torch.tensor(normals(rng, len(parameter), scale=0.3))
                    parameter += centre - parameter.mean()
        key = f"head.{name}"
        # In the order of the parameters of our flat buffer, which is PyTorch's.
        flat = lambda of: np.concatenate([of(p).numpy().ravel() for p in net.parameters()])  # noqa: E731
        tensors[f"{key}.params"] = flat(torch.Tensor.detach)
        net = net.double().train()
        # Columns with a mean that is large against their spread.
        x = normals(rng, 37, sizes[0]) + np.float32(5.0) * normals(rng, sizes[0])
        weights = normals(rng, 37, sizes[-1])
        z = leaf(x)
        out = net(z)
        (out * torch.tensor(weights)).sum().backward()
        tensors[f"{key}.x"] = x
        tensors[f"{key}.d_output"] = weights
        tensors[f"{key}.output"] = out.detach().numpy()
        tensors[f"{key}.d_input"] = z.grad.numpy()
        tensors[f"{key}.grads"] = flat(lambda p: p.grad)
        running = [b.numpy() for n, b in net.named_buffers() if "running" in n]
        if running:
            tensors[f"{key}.running"] = np.concatenate(running)
    return tensors


def lars(parameters, momentum: float, weight_decay: float, eta: float):
    """You et al. 2017, algorithm 1, for tensors of several dimensions; plain SGD for the others."""
    velocities = [torch.zeros_like(p) for p in parameters]

    def step(rate: float) -> None:
        with torch.no_grad():
            for p, v in zip(parameters, velocities):
                g = p.grad
                if p.ndim > 1:
                    local = eta * p.norm() / (g.norm() + weight_decay * p.norm())
                    g = local * (g + weight_decay * p)
                v.mul_(momentum).add_(g)
                p.sub_(rate * v)

    return step


def optimisers() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    shapes = [(30, 9), (30,), (4, 30), (4,)]
    start = [normals(rng, *shape, scale=0.5) for shape in shapes]
    grads = [[normals(rng, *shape) for shape in shapes] for _ in RATES]
    flat = lambda arrays: np.concatenate([np.asarray(a).ravel() for a in arrays])  # noqa: E731
    tensors = {
        "optimiser.params": flat(start),
        "optimiser.grads": np.stack([flat(step) for step in grads]),
    }
    for name in ["sgd", "lars"]:
        parameters = [leaf(p) for p in start]
        if name == "sgd":
            groups = [
                {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 5e-2},
                {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
            ]
            sgd = torch.optim.SGD(groups, lr=1.0, momentum=0.9)
        else:
            step = lars(parameters, momentum=0.9, weight_decay=5e-2, eta=0.02)
        for rate, gradient in zip(RATES, grads):
            for p, g in zip(parameters, gradient):
                p.grad = torch.tensor(g, dtype=torch.float64)
            if name == "sgd":
                for group in sgd.param_groups:
                    group["lr"] = rate
                sgd.step()
            else:
                step(rate)
        tensors[f"optimiser.{name}"] = flat([p.detach() for p in parameters])
    return tensors


def main() -> None:
    torch.set_num_threads(1)
    tensors = {**losses(), **heads(), **optimisers()}
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in sorted(tensors.items())}
    path = Path(__file__).with_name("contrast.safetensors")
    save_file(tensors, path)
    path.chmod(0o644)


if __name__ == "__main__":
    main()
