"""One forward pass or training step of a picture classifier in PyTorch per line read from standard input, its seconds on
output. Weights are drawn, since time does not depend on them."""
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

from torch_vision_models import CLASSES, models

work = json.loads(sys.argv[1])
torch.set_num_threads(work["threads"])
torch.manual_seed(0)
model = models[work["model"]]().train(work["training"])
parameters = sum(parameter.numel() for parameter in model.parameters())
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
pixels = torch.randn(work["batch"], 3, work["side"], work["side"])
labels = torch.randint(0, CLASSES, (work["batch"],))


def train():
    optimizer.zero_grad(set_to_none=True)
    F.cross_entropy(model(pixels), labels).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def see():
    with torch.inference_mode():
        model(pixels)


print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    train() if work["training"] else see()
    seconds = time.perf_counter() - start
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "peakBytes": peak * 1024, "parameters": parameters}), flush=True)
