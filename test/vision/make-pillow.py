"""Writes pillow.json: small pictures and what Pillow 9.4 and torchvision 0.14 make of them."""

import base64
import io
import json
import os

import numpy as np
import torchvision.transforms.functional as functional
from PIL import Image, ImageEnhance, ImageOps

random = np.random.default_rng(11)
smooth = np.add.outer(np.arange(13) * 11, np.arange(17) * 6)[..., None] + np.array([0, 30, 60])
noise = random.integers(-40, 40, (13, 17, 3))
picture = Image.fromarray(np.clip(smooth * 0.8 + noise, 0, 255).astype(np.uint8))
edges = Image.fromarray(((random.integers(0, 2, (9, 6, 3))) * 255).astype(np.uint8))


def encoded(image):
    return {
        "width": image.width,
        "height": image.height,
        "data": base64.b64encode(np.asarray(image).tobytes()).decode(),
    }


resized = []
for source, sizes in (("picture", [(7, 6), (17, 5), (5, 13), (29, 31)]), ("edges", [(4, 4), (20, 3)])):
    for filter_number in range(6):
        for size in sizes:
            result = {"picture": picture, "edges": edges}[source].resize(size, filter_number)
            resized.append({"source": source, "filter": filter_number, "result": encoded(result)})

changed = []


def add(name, result, *args):
    changed.append({"name": name, "args": args, "result": encoded(result)})


add("autoContrast", ImageOps.autocontrast(picture))
add("equalize", ImageOps.equalize(picture))
add("invert", ImageOps.invert(picture))
add("posterize", ImageOps.posterize(picture, 3), 3)
add("solarize", ImageOps.solarize(picture, 90), 90)
for name, enhancer in (
    ("adjustColor", ImageEnhance.Color),
    ("adjustContrast", ImageEnhance.Contrast),
    ("adjustBrightness", ImageEnhance.Brightness),
    ("adjustSharpness", ImageEnhance.Sharpness),
):
    for factor in (0.3, 1.7):
        add(name, enhancer(picture).enhance(factor), factor)
for turn in (0.2, -0.45):
    add("adjustHue", functional.adjust_hue(picture, turn), turn)
fill = (128, 127, 7)
for number, name in ((2, "bilinear"), (3, "bicubic")):
    options = {"filter": name, "fill": fill}

    def affine(matrix):
        return picture.transform(picture.size, Image.AFFINE, matrix, number, fillcolor=fill)

    add("shearX", affine((1, 0.23, 0, 0, 1, 0)), 0.23, options)
    add("shearY", affine((1, 0, 0, -0.2, 1, 0)), -0.2, options)
    add("translateX", affine((1, 0, 0.17 * 17, 0, 1, 0)), 0.17, options)
    add("translateY", affine((1, 0, 0, 0, 1, -0.3 * 13)), -0.3, options)
    add("rotate", picture.rotate(25, number, fillcolor=fill), 25, options)
    add("rotate", picture.rotate(-90, number, fillcolor=fill), -90, options)

jpeg = io.BytesIO()
picture.convert("CMYK").save(jpeg, "JPEG", quality=50)
cmyk = {"jpeg": base64.b64encode(jpeg.getvalue()).decode(), "result": encoded(Image.open(jpeg).convert("RGB"))}

folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "pillow.json"), "w") as file:
    sources = {"picture": encoded(picture), "edges": encoded(edges)}
    json.dump({"sources": sources, "resized": resized, "changed": changed, "cmyk": cmyk}, file, indent=1)
    file.write("\n")
