"""A BERT classifier's training step in PyTorch: one step per line read from standard input, its seconds on output."""
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

size = json.loads(sys.argv[1])
torch.set_num_threads(size["threads"])
torch.manual_seed(0)
D, H, I, L = size["hidden"], size["heads"], size["intermediate"], size["layers"]
rate = size["dropout"]


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(D, D) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(D, eps=1e-12), nn.LayerNorm(D, eps=1e-12)
        self.up, self.down = nn.Linear(D, I), nn.Linear(I, D)

    def heads(self, x):
        return x.view(x.shape[0], x.shape[1], H, D // H).transpose(1, 2)

    def forward(self, x, bias):
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        scores = q @ k.transpose(-1, -2) / math.sqrt(D // H) + bias
        probabilities = F.dropout(scores.softmax(-1), rate, self.training)
        attended = (probabilities @ v).transpose(1, 2).reshape(x.shape)
        x = self.norm1(F.dropout(self.output(attended), rate, self.training) + x)
        return self.norm2(F.dropout(self.down(F.gelu(self.up(x))), rate, self.training) + x)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.word = nn.Embedding(size["vocab"], D, padding_idx=0)
        self.position, self.segment = nn.Embedding(512, D), nn.Embedding(2, D)
        self.norm = nn.LayerNorm(D, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(L))
        self.pooler, self.classifier = nn.Linear(D, D), nn.Linear(D, 2)

    def forward(self, ids, mask):
        positions = torch.arange(ids.shape[1]).unsqueeze(0)
        x = self.word(ids) + self.segment(torch.zeros_like(ids)) + self.position(positions)
        x = F.dropout(self.norm(x), rate, self.training)
        bias = (1.0 - mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        for layer in self.layers:
            x = layer(x, bias)
        pooled = F.dropout(torch.tanh(self.pooler(x[:, 0])), rate, self.training)
        return self.classifier(pooled)


model = Classifier()
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
ids = torch.randint(1, size["vocab"], (size["batch"], size["length"]))
mask = torch.ones_like(ids)
labels = torch.randint(0, 2, (size["batch"],))

print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(ids, mask), labels)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    seconds = time.perf_counter() - start
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "peakBytes": peak * 1024, "loss": loss.item()}), flush=True)
