"""Small images in every format and what Pillow reads from them: read.safetensors.

    python read.py OUT [TINY]

TINY: Hugging Face Parquet of Tiny ImageNet JPEGs; of its first images, some values are kept.
"""

import io
import json
import sys

import numpy as np
import PIL
from PIL import Image, ImageOps
from safetensors.numpy import save_file

rng = np.random.default_rng(0)
H, W = 10, 14
y, x = np.mgrid[0:H, 0:W]
smooth = np.stack([16 * x + y, 25 * y, 255 - 9 * x - 9 * y], -1).clip(0, 255).astype(np.uint8)
noise = rng.integers(0, 256, (H, W, 3), dtype=np.uint8)
alpha = rng.integers(0, 256, (H, W), dtype=np.uint8)
# Four colours in bands: no format loses a band.
bands = np.array([[200, 10, 10], [10, 200, 10], [10, 10, 200], [90, 90, 90]], np.uint8)[(x // 4) % 4]

rgb, grey = Image.fromarray(noise), Image.fromarray(noise[..., 0])
rgba = Image.fromarray(np.dstack([noise, alpha]))
palette = rgb.quantize(16)
deep = rng.integers(0, 1 << 16, (H, W), dtype=np.uint16)

tensors, cases = {}, []


def save(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def add(name, data, expected=None, most=0):
    """`most`: how far a value may be from Pillow's, whose own decoder differs for JPEG and WebP."""
    if expected is None:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        expected = np.array(image.convert("RGB"))
    tensors[f"{len(cases)}.file"] = np.frombuffer(data, np.uint8).copy()
    tensors[f"{len(cases)}.rgb"] = np.ascontiguousarray(expected)
    cases.append({"name": name, "most": most})


add("png rgb", save(rgb, "PNG"), noise)
add("png grey", save(grey, "PNG"))
add("png rgba", save(rgba, "PNG"), noise)
add("png grey alpha", save(Image.fromarray(np.dstack([noise[..., 0], alpha])), "PNG"))
add("png palette", save(palette, "PNG"))
add("png palette transparent", save(palette, "PNG", transparency=3))
add("png rgb transparent", save(rgb, "PNG", transparency=(1, 2, 3)))
add("png one bit", save(rgb.convert("1"), "PNG"))
# Pillow cuts 16-bit values off at 255; scaled, they are value / 257, rounded.
scaled = np.repeat(np.rint(deep / 257)[..., None], 3, -1).astype(np.uint8)
add("png 16 bits", save(Image.fromarray(deep), "PNG"), scaled)
add("tiff 16 bits", save(Image.fromarray(deep), "TIFF"), scaled)
for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
    add(f"tiff {compression}", save(rgb, "TIFF", compression=compression), noise)
add("tiff grey", save(grey, "TIFF"))
add("tiff rgba", save(rgba, "TIFF"), noise)
add("bmp rgb", save(rgb, "BMP"), noise)
add("bmp grey", save(grey, "BMP"))
add("bmp palette", save(palette, "BMP"))
add("gif", save(palette, "GIF"))
others = [rgb.quantize(8), rgb.rotate(180).quantize(8)]
add("gif animated", save(palette, "GIF", save_all=True, append_images=others))
add("gif transparent", save(palette, "GIF", transparency=3))
add("webp lossless", save(rgb, "WEBP", lossless=True), noise)
add("webp alpha", save(rgba, "WEBP", lossless=True, exact=True), noise)
add("webp animated", save(rgb, "WEBP", lossless=True, save_all=True, append_images=[grey]))
add("webp lossy", save(Image.fromarray(smooth), "WEBP", quality=90), most=2)
for name, options in {
    "jpeg 4:4:4": dict(subsampling=0),
    "jpeg 4:2:0": dict(subsampling=2),
    "jpeg progressive": dict(subsampling=0, progressive=True),
    "jpeg restarts": dict(subsampling=0, restart_marker_blocks=1),
}.items():
    add(name, save(Image.fromarray(smooth), "JPEG", quality=92, **options), most=3)
add("jpeg grey", save(Image.fromarray(smooth[..., 0]), "JPEG", quality=92), most=1)
add("jpeg cmyk", save(Image.fromarray(smooth).convert("CMYK"), "JPEG", quality=95), most=4)
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for format in ("PNG", "JPEG", "WEBP", "TIFF"):
        options = {"JPEG": dict(quality=100, subsampling=0), "WEBP": dict(lossless=True)}
        data = save(Image.fromarray(bands), format, exif=exif, **options.get(format, {}))
        most = 4 if format == "JPEG" else 0
        add(f"{format.lower()} orientation {orientation}", data, most=most)

if len(sys.argv) > 2:
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(sys.argv[2]).slice(0, 40)["image"].to_pylist()
    images = [Image.open(io.BytesIO(row["bytes"])).convert("RGB") for row in rows]
    tensors["tiny"] = np.stack([np.array(image).reshape(-1)[::61] for image in images])
float_tiff = save(Image.fromarray(noise[..., 0].astype(np.float32)), "TIFF")
tensors["float.file"] = np.frombuffer(float_tiff, np.uint8).copy()
save_file(tensors, sys.argv[1], metadata={"cases": json.dumps(cases), "pillow": PIL.__version__})
