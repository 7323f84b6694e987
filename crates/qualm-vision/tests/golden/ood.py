"""Writes ood.json: out-of-distribution scores of images by a small residual network, as pytorch-ood
0.4.0 gives them, and for the rotation head as plain PyTorch does.

    python ood.py      # torch 2.15, torchvision 0.29, pytorch-ood 0.4

The network is resnet8 of crates/qualm/tests/golden/resnet.py; its weights, its heads and the images are
functions of their place. All in float64.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_ood.detector import ODIN, Gram, Mahalanobis, MahalanobisODIN, MaxSoftmax
from torch import nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "qualm/tests/golden"))
from resnet import cifar, fill, uniform  # noqa: E402

SIDE, N, NEW, CLASSES = 8, 90, 24, 3
MEAN, STD = 0.5, [0.25, 0.2, 0.3]


def images(seed, n, shift):
    """Bytes, `(n, 8, 8, 3)`: each class has a brightness of its own."""
    noise = uniform(seed, n * SIDE * SIDE * 3).reshape(n, SIDE, SIDE, 3)
    brightness = np.arange(n) % CLASSES * 60.0 + shift
    values = 65 + brightness[:, None, None, None] + 60 * noise
    return np.clip(np.floor(values), 0, 255).astype(np.uint8)


def prepared(pixels):
    x = torch.from_numpy(pixels).double() / 255
    return ((x - MEAN) / torch.tensor(STD)).permute(0, 3, 1, 2)


def head(seed, n_out):
    layer = nn.Linear(64, n_out)
    layer.weight.data = torch.from_numpy(uniform(seed, n_out * 64)).view(n_out, 64)
    layer.bias.data = torch.from_numpy(uniform(seed + 1, n_out))
    return layer


class Stem(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net.layer1(F.relu(self.net.bn1(self.net.conv1(x))))


def mean(maps):
    return maps.mean(dim=(2, 3))


def every_tenth(n):
    """An order of n items whose first tenth are numbers 9, 19 and so on."""
    held = [i for i in range(n) if i % 10 == 9]
    return torch.tensor(held + [i for i in range(n) if i % 10 != 9])


def fitted(detector, z, y):
    """Without the ridge that pytorch-ood adds to the covariance, which the paper does not."""
    eye, torch.eye = torch.eye, lambda n, **keywords: torch.zeros(n, n, **keywords)
    detector.fit_features(z, y)
    torch.eye = eye
    return detector


def main():
    torch.set_default_dtype(torch.float64)
    net = cifar(8, False).double()
    fill(net, False)
    net.eval()
    for p in net.parameters():
        p.requires_grad_(False)
    fc, rotation = head(2000, CLASSES), head(3000, 4)
    stages = [Stem(net), net.layer2, net.layer3]
    encoders = [lambda x, s=s: mean(nn.Sequential(*stages[: s + 1])(x)) for s in range(3)]
    model = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), fc)

    x, new = prepared(images(4000, N, 0)), prepared(images(5000, NEW, 25))
    y = torch.arange(N) % CLASSES
    scores = {"msp": MaxSoftmax(model).predict(new)}
    for name, eps, t in [("odin", 0.0014, 1000.0), ("odin_warm", 0.02, 3.0)]:
        scores[name] = ODIN(model, eps=eps, temperature=t, norm_std=STD).predict(new)
    for s, encoder in enumerate(encoders):
        with torch.no_grad():
            z = encoder(x)
        scores[f"mahalanobis_{s + 1}"] = fitted(Mahalanobis(encoder), z, y).predict(new)
        moved = fitted(MahalanobisODIN(encoder, eps=0.01, norm_std=STD), z, y)
        scores[f"mahalanobis_{s + 1}_moved"] = moved.predict(new).detach()

    # The held-out items are drawn with randperm: an order of ours in its place.
    torch.randperm = every_tenth
    gram = Gram(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), fc), stages, CLASSES, list(range(1, 11)))
    scores["gram"] = gram.fit([(x, y)]).predict(new)
    # Without the first two stages, and with fewer orders.
    last = nn.Sequential(*stages)
    few = Gram(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), fc), [last], CLASSES, [1, 2, 3])
    scores["gram_last"] = few.fit([(x, y)]).predict(new)

    # Hendrycks et al.: turned counter-clockwise.
    with torch.no_grad():
        features = [encoders[2](torch.rot90(new, r, dims=(2, 3))) for r in range(4)]
        losses = [
            F.cross_entropy(rotation(f), torch.full((NEW,), r), reduction="none")
            for r, f in enumerate(features)
        ]
        turned = sum(losses) / 4
        log_p = F.log_softmax(fc(features[0]), dim=1)
        kl = -np.log(CLASSES) - log_p.mean(dim=1)
    scores["rotation"], scores["rotation_alone"] = turned - kl, turned

    written = {name: [float(f"{v:.9g}") for v in s.tolist()] for name, s in scores.items()}
    (HERE / "ood.json").write_text(json.dumps(written).replace('], "', '],\n"') + "\n")
    for name, values in written.items():
        print(name, min(values), max(values))


main()
