"""Picture classifiers in PyTorch, by the names and of the shapes of vision-models.ts. Nothing is dropped in training.
B batch, C channels, T tokens, D width, H heads."""
import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 1000


class Attention(nn.Module):
    """All heads over [..., T, D], with a bias that broadcasts to [..., H, T, T]."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.joined, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, bias=None):
        parts = self.joined(x).unflatten(-1, (3, self.heads, -1)).movedim(-3, 0).transpose(-3, -2)
        query, key, value = parts.unbind(0)
        scores = query @ key.transpose(-1, -2) * self.scale
        probabilities = (scores if bias is None else scores + bias).softmax(-1)
        return self.output((probabilities @ value).transpose(-3, -2).flatten(-2))


class Block(nn.Module):
    """Attention and a feed-forward block, each behind a norm."""

    def __init__(self, width, attention, inner, activation=F.gelu):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.activation = attention, activation
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(self.activation(self.up(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 197, width))
        blocks = [Block(width, Attention(width, heads), 4 * width) for _ in range(12)]
        self.blocks = nn.Sequential(*blocks, nn.LayerNorm(width))
        self.classifier = nn.Linear(width, CLASSES)

    def forward(self, pixels):
        patches = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(pixels), -1, -1), patches], 1) + self.positions
        return self.classifier(self.blocks(x)[:, 0])


SIDE = 7  # of Swin's windows


def cut(x):
    """[B, height, width, C] → windows [B, N, SIDE², C]."""
    b, h, w, c = x.shape
    return x.view(b, h // SIDE, SIDE, w // SIDE, SIDE, c).transpose(2, 3).reshape(b, -1, SIDE * SIDE, c)


def join(windows, shape):
    """Undoes `cut`."""
    b, h, w, c = shape
    return windows.view(b, h // SIDE, w // SIDE, SIDE, SIDE, c).transpose(2, 3).reshape(shape)


class WindowAttention(nn.Module):
    """Attention inside windows of a map [B, grid, grid, D], moved by `shift` cells."""

    def __init__(self, width, heads, grid, shift):
        super().__init__()
        self.shift, self.inside = shift, Attention(width, heads)
        self.table = nn.Parameter(torch.randn((2 * SIDE - 1) ** 2, heads))
        axis = torch.arange(SIDE)
        places = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).flatten(1)
        apart = places[:, :, None] - places[:, None] + SIDE - 1
        self.register_buffer("index", apart[0] * (2 * SIDE - 1) + apart[1])
        if shift:
            self.register_buffer("mask", self.mask_of(grid))

    def mask_of(self, grid):
        """[N, 1, SIDE², SIDE²]: −100 between cells that the shift alone brought together."""
        part = torch.zeros(grid, dtype=torch.long)
        part[-SIDE:], part[-self.shift :] = 1, 2
        regions = cut((3 * part[:, None] + part)[None, :, :, None])[0, :, :, 0]
        return (regions[:, :, None] != regions[:, None]).float().unsqueeze(1) * -100

    def forward(self, x):
        bias = self.table[self.index].permute(2, 0, 1)
        if not self.shift:
            return join(self.inside(cut(x), bias), x.shape)
        moved = x.roll((-self.shift, -self.shift), (1, 2))
        mixed = join(self.inside(cut(moved), bias + self.mask), x.shape)
        return mixed.roll((self.shift, self.shift), (1, 2))


class Merging(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.reduce = nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x):
        corners = (x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2])
        return self.reduce(self.norm(torch.cat(corners, -1)))


class Swin(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches, self.first = nn.Conv2d(3, 96, 4, 4), nn.LayerNorm(96)
        layers = []
        for stage, depth in enumerate((2, 2, 6, 2)):
            width, grid = 96 * 2**stage, 56 // 2**stage
            for at in range(depth):
                shift = SIDE // 2 if at % 2 and grid > SIDE else 0
                layers.append(Block(width, WindowAttention(width, width // 32, grid, shift), 4 * width))
            if stage < 3:
                layers.append(Merging(width))
        self.layers = nn.Sequential(*layers, nn.LayerNorm(768))
        self.classifier = nn.Linear(768, CLASSES)

    def forward(self, pixels):
        x = self.first(self.patches(pixels).permute(0, 2, 3, 1))
        return self.classifier(self.layers(x).mean((1, 2)))


class ConvNorm(nn.Sequential):
    def __init__(self, inner, outer, kernel, stride=1, groups=1, activated=True):
        convolution = nn.Conv2d(inner, outer, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outer), *([nn.SiLU()] if activated else []))


class InvertedResidual(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        wide = 4 * inner
        self.layers = nn.Sequential(
            ConvNorm(inner, wide, 1),
            ConvNorm(wide, wide, 3, stride, wide),
            ConvNorm(wide, outer, 1, activated=False),
        )
        self.skips = stride == 1 and inner == outer

    def forward(self, x):
        return x + self.layers(x) if self.skips else self.layers(x)


class MobileViTLayer(nn.Module):
    def __init__(self, inner, outer, width, depth):
        super().__init__()
        self.smaller, self.local = InvertedResidual(inner, outer, 2), ConvNorm(outer, outer, 3)
        self.widen = nn.Conv2d(outer, width, 1, bias=False)
        blocks = [Block(width, Attention(width, 4), 2 * width, F.silu) for _ in range(depth)]
        self.blocks = nn.Sequential(*blocks, nn.LayerNorm(width))
        self.narrow, self.fusion = ConvNorm(width, outer, 1), ConvNorm(2 * outer, outer, 3)

    def forward(self, x):
        x = self.smaller(x)
        y = self.widen(self.local(x))
        b, c, h, w = y.shape
        cells = y.view(b, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 2, 4, 1).reshape(b * 4, -1, c)
        mixed = self.blocks(cells).view(b, 2, 2, h // 2, w // 2, c).permute(0, 5, 3, 1, 4, 2)
        return self.fusion(torch.cat([x, self.narrow(mixed.reshape(y.shape))], 1))


class MobileViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            ConvNorm(3, 16, 3, 2),
            InvertedResidual(16, 32, 1),
            InvertedResidual(32, 64, 2),
            InvertedResidual(64, 64, 1),
            InvertedResidual(64, 64, 1),
            MobileViTLayer(64, 96, 144, 2),
            MobileViTLayer(96, 128, 192, 4),
            MobileViTLayer(128, 160, 240, 3),
            ConvNorm(160, 640, 1),
        )
        self.classifier = nn.Linear(640, CLASSES)

    def forward(self, pixels):
        return self.classifier(self.layers(pixels).mean((2, 3)))


class ConvProjection(nn.Module):
    def __init__(self, width, stride):
        super().__init__()
        self.convolution = ConvNorm(width, width, 3, stride, width, activated=False)
        self.linear = nn.Linear(width, width)

    def forward(self, image, first):
        tokens = self.convolution(image).flatten(2).transpose(1, 2)
        return self.linear(torch.cat([first, tokens], 1))


class ConvAttention(nn.Module):
    """CvT's, over [B, special + grid², D]; the special tokens skip the convolutions."""

    def __init__(self, width, heads, grid, special):
        super().__init__()
        self.heads, self.grid, self.special, self.scale = heads, grid, special, width**-0.5
        self.query, self.key, self.value = (ConvProjection(width, stride) for stride in (1, 2, 2))
        self.output = nn.Linear(width, width)

    def forward(self, x):
        first, patches = x[:, : self.special], x[:, self.special :]
        image = patches.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        query, key, value = (
            part(image, first).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        probabilities = (query @ key.transpose(-1, -2) * self.scale).softmax(-1)
        return self.output((probabilities @ value).transpose(1, 2).flatten(2))


class CvtStage(nn.Module):
    def __init__(self, inner, width, heads, depth, grid, kernel, stride, padding, special):
        super().__init__()
        self.embedding, self.norm = nn.Conv2d(inner, width, kernel, stride, padding), nn.LayerNorm(width)
        self.first = nn.Parameter(torch.randn(1, 1, width)) if special else torch.zeros(1, 0, width)
        blocks = [Block(width, ConvAttention(width, heads, grid, special), 4 * width) for _ in range(depth)]
        self.blocks, self.grid, self.special = nn.Sequential(*blocks), grid, special

    def forward(self, x):
        patches = self.norm(self.embedding(x).flatten(2).transpose(1, 2))
        tokens = self.blocks(torch.cat([self.first.expand(len(x), -1, -1), patches], 1))
        return tokens[:, 0] if self.special else tokens.transpose(1, 2).unflatten(2, (self.grid, self.grid))


class Cvt(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.Sequential(
            CvtStage(3, 64, 1, 1, 56, 7, 4, 2, 0),
            CvtStage(64, 192, 3, 2, 28, 3, 2, 1, 0),
            CvtStage(192, 384, 6, 10, 14, 3, 2, 1, 1),
        )
        self.norm, self.classifier = nn.LayerNorm(384), nn.Linear(384, CLASSES)

    def forward(self, pixels):
        return self.classifier(self.norm(self.stages(pixels)))


models = {
    "ViT-B/16": lambda: ViT(768, 12),
    "ViT-S/16": lambda: ViT(384, 6),
    "Swin-T": Swin,
    "MobileViT-S": MobileViT,
    "CvT-13": Cvt,
}
