"""Golden numbers for `ae` and `repen`, written to networks.json.

One training step of each, by PyTorch's autograd in float64, and, with QUALM_DATA naming the
folder of data sets, mean AUROCs over a hundred seeds: of PyOD's AutoEncoder without dropout and
batch normalisation, and of REPEN written here from the paper.
"""

import numpy as np
import torch
from torch import nn

from ensembles import lesinn_scores, write

ALPHA, MARGIN, WIDTH = 1.732, 1000.0, 20

torch.set_num_threads(1)


def parameters(net):
    """As the engine keeps them: each layer's weight as (in, out), then its bias."""
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    parts = [part for layer in layers for part in (layer.weight.T, layer.bias)]
    return torch.cat([part.reshape(-1) for part in parts]).tolist()


def gradients(net):
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    parts = [part for layer in layers for part in (layer.weight.grad.T, layer.bias.grad)]
    return torch.cat([part.reshape(-1) for part in parts]).tolist()


def ranking_loss(net, query, inlier, outlier, margin):
    q, p, o = net(query), net(inlier), net(outlier)
    near, far = ((q - p) ** 2).sum(1), ((q - o) ** 2).sum(1)
    return torch.relu(margin + near - far).mean()


def step(net, batch, loss):
    """What a test needs to take the same step."""
    loss.backward()
    return {
        "params": parameters(net),
        "batch": batch.reshape(-1).tolist(),
        "loss": loss.item(),
        "gradient": gradients(net),
    }


def float32(net):
    """Rounds the weights to what float32 holds, and computes in float64."""
    return net.to(torch.float32).to(torch.float64)


def ae_step():
    torch.manual_seed(0)
    net = float32(nn.Sequential(
        nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(),
        nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5),
    ))
    batch = torch.randn(6, 5).double()
    return {"sizes": [5, 4, 3, 4, 5], **step(net, batch, ((net(batch) - batch) ** 2).mean())}


def repen_step():
    torch.manual_seed(1)
    net = float32(nn.Sequential(nn.Linear(5, 4), nn.ReLU()))
    batch = torch.randn(3 * 16, 5).double()
    # A margin at which some triplets are far enough apart and some are not.
    margin = 0.5
    loss = ranking_loss(net, *batch.chunk(3), margin)
    return {"sizes": [5, 4], "margin": margin, **step(net, batch, loss)}


def ae_scores(rows, seed):
    from pyod.models.auto_encoder import AutoEncoder

    model = AutoEncoder(batch_norm=False, dropout_rate=0.0, random_state=seed, verbose=0)
    return model.fit(rows).decision_scores_


def triplets(scores, n, rng):
    """Row numbers of n triplets: queries, inlier candidates, outlier candidates."""
    threshold = scores.mean() + ALPHA * scores.std()
    if threshold >= scores.max():
        threshold = np.sort(scores)[-11]
    outliers = np.flatnonzero(scores > threshold)
    inliers = np.flatnonzero(scores <= threshold)
    weights = scores[inliers].sum() - scores[inliers]
    query = rng.choice(len(inliers), n, p=weights / weights.sum())
    other = rng.integers(0, len(inliers) - 1, n)
    other += other >= query
    weights = scores[outliers]
    outlier = rng.choice(outliers, n, p=weights / weights.sum())
    return inliers[query], inliers[other], outlier


def repen_scores(rows, seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    scores = lesinn_scores(rows, seed)
    net = nn.Sequential(nn.Linear(rows.shape[1], WIDTH), nn.ReLU())
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    data = torch.from_numpy(rows.copy())
    for _ in range(30 * -(-len(rows) // 256)):
        parts = [data[torch.from_numpy(part)] for part in triplets(scores, 256, rng)]
        optimiser.zero_grad()
        ranking_loss(net, *parts, MARGIN).backward()
        optimiser.step()
    with torch.no_grad():
        learned = net(data).numpy()
    return lesinn_scores(learned, seed + 1000)


def main():
    golden = {"ae": ae_step(), "repen": repen_step()}
    write("networks.json", golden, {"ae": ae_scores, "repen": repen_scores})


if __name__ == "__main__":
    main()
