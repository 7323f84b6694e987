"""Golden files of the encoders: resized images by Pillow and PyTorch, small ONNX graphs with what
onnxruntime gives for the test picture.

    pip install numpy pillow torch onnx onnxruntime
    python encoders.py

Writes resize.json, onnx/*.onnx and onnx.json beside itself. Made with Pillow 13.0.0, PyTorch
2.15.0, onnx 1.23.2, onnxruntime 1.32.0.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HERE = pathlib.Path(__file__).parent
FILTERS = {
    "nearest": Image.NEAREST,
    "bilinear": Image.BILINEAR,
    "bicubic": Image.BICUBIC,
    "lanczos": Image.LANCZOS,
}


def picture(width=320, height=240):
    """The test picture of `qualm encoder check`."""
    y, x = np.mgrid[0:height, 0:width]
    board = (x // 8 + y // 8) % 2 * 255
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), board], -1).astype(np.uint8)


def with_pillow(pixels, side, name, crop, fraction):
    image = Image.fromarray(pixels)
    if crop == "none":
        return np.asarray(image.resize((side, side), FILTERS[name]))
    shorter = int(side / fraction)
    w, h = image.size
    size = (shorter, int(shorter * h / w)) if w <= h else (int(shorter * w / h), shorter)
    image = image.resize(size, FILTERS[name])
    left, top = (int(round((s - side) / 2.0)) for s in size)
    return np.asarray(image.crop((left, top, left + side, top + side)))


def without_antialias(pixels, side):
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    size = {"size": (side, side), "mode": "bilinear", "antialias": False, "align_corners": False}
    out = torch.nn.functional.interpolate(tensor, **size)
    return out.round().byte()[0].permute(1, 2, 0).numpy()


def resize():
    cases = []
    for (w, h), side in [((320, 240), 16), ((45, 61), 20), ((9, 7), 16)]:
        pixels = picture(w, h)
        for name in FILTERS:
            for crop, fraction in [("none", 1.0), ("centre", 0.875)]:
                out = with_pillow(pixels, side, name, crop, fraction)
                cases.append((w, h, side, name, True, crop, fraction, out))
        out = without_antialias(pixels, side)
        cases.append((w, h, side, "bilinear", False, "none", 1.0, out))
    keys = ["width", "height", "side", "filter", "antialias", "crop", "crop_fraction", "pixels"]
    cases = [dict(zip(keys, (*case[:-1], case[-1].tobytes().hex()))) for case in cases]
    (HERE / "resize.json").write_text(json.dumps(cases, indent=0) + "\n")


def graph(name, dtype, layout, shape, tail, outputs):
    """Convolution 4 x 4 with stride 4, ReLU, and what `tail` makes of its map."""
    rng = np.random.default_rng(len(name))
    float16 = dtype == TensorProto.FLOAT16
    real = np.float16 if float16 else np.float32
    kind = TensorProto.FLOAT16 if float16 else TensorProto.FLOAT
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.1, (6, 3, 4, 4)).astype(real), "weight"),
        numpy_helper.from_array(rng.normal(0, 0.1, 6).astype(real), "bias"),
    ]
    nodes, source = [], "image"
    if dtype == TensorProto.UINT8:
        nodes.append(helper.make_node("Cast", [source], ["cast"], to=kind))
        weights.append(numpy_helper.from_array(np.array(255, real), "most"))
        nodes.append(helper.make_node("Div", ["cast", "most"], ["scaled"]))
        source = "scaled"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [source], ["moved"], perm=[0, 3, 1, 2]))
        source = "moved"
    nodes.append(helper.make_node("Conv", [source, "weight", "bias"], ["conv"], strides=[4, 4]))
    nodes.append(helper.make_node("Relu", ["conv"], ["map"]))
    nodes += tail(weights, real)
    inputs = [helper.make_tensor_value_info("image", dtype, shape)]
    outs = [helper.make_tensor_value_info(o, kind, s) for o, s in outputs]
    model = helper.make_model(
        helper.make_graph(nodes, name, inputs, outs, weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    onnx.save(model, HERE / "onnx" / f"{name}.onnx")
    return model


def pooled(weights, real):
    return [
        helper.make_node("GlobalAveragePool", ["map"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["vector"]),
    ]


def the_map(weights, real):
    return []


def tokens(weights, real):
    weights.append(numpy_helper.from_array(np.array([0, 6, -1], np.int64), "shape"))
    return [
        helper.make_node("Reshape", ["map", "shape"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["tokens"], perm=[0, 2, 1]),
        helper.make_node("GlobalAveragePool", ["map"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["pooler_output"]),
    ]


def last_map(weights, real):
    return [helper.make_node("Transpose", ["map"], ["last"], perm=[0, 2, 3, 1])]


def graphs():
    (HERE / "onnx").mkdir(exist_ok=True)
    f32, f16, u8 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8
    vector, maps = [("vector", ["n", 6])], [("map", ["n", 6, "h", "w"])]
    both = [("tokens", ["n", "t", 6]), ("pooler_output", ["n", 6])]
    last = [("last", ["n", "h", "w", 6])]
    free = ["n", 3, "h", "w"]
    specs = [
        ("f32_nchw_fixed", f32, "nchw", [1, 3, 16, 16], pooled, [("vector", [1, 6])], {}),
        ("f32_nchw_free", f32, "nchw", free, pooled, vector, {}),
        ("f32_nhwc_batch_5", f32, "nhwc", [5, 16, 16, 3], pooled, [("vector", [5, 6])], {}),
        ("f16_nchw", f16, "nchw", ["n", 3, 16, 16], pooled, vector, {}),
        ("f16_nhwc_free", f16, "nhwc", ["n", "h", "w", 3], pooled, vector, {}),
        ("u8_nhwc_free", u8, "nhwc", ["n", "h", "w", 3], pooled, vector, {}),
        ("u8_nchw", u8, "nchw", ["n", 3, 16, 16], pooled, vector, {}),
        ("maps", f32, "nchw", free, the_map, maps, {"pooling": "gap"}),
        ("last_maps", f32, "nhwc", ["n", "h", "w", 3], last_map, last, {"pooling": "gap"}),
        ("cls", f32, "nchw", free, tokens, both, {"output": "tokens", "pooling": "cls"}),
        ("mean", f32, "nchw", free, tokens, both, {"output": "tokens", "pooling": "mean"}),
        ("pooler", f32, "nchw", free, tokens, both, {}),
        ("unit", f32, "nchw", free, pooled, vector, {"l2": True}),
    ]
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    pixels = with_pillow(picture(), 16, "bilinear", "none", 1.0)
    cases = []
    for name, dtype, layout, shape, tail, outputs, keys in specs:
        graph(name, dtype, layout, shape, tail, outputs)
        session = onnxruntime.InferenceSession(HERE / "onnx" / f"{name}.onnx")
        values = pixels if dtype == u8 else (pixels.astype(np.float32) / 255 - mean) / std
        values = values.astype(np.float16) if dtype == f16 else values
        values = values if layout == "nhwc" else values.transpose(2, 0, 1)
        batch = np.repeat(values[None], shape[0] if isinstance(shape[0], int) else 1, 0)
        names = [o.name for o in session.get_outputs()]
        given = dict(zip(names, session.run(None, {"image": batch})))
        chosen = keys.get("output", "pooler_output" if "pooler_output" in names else names[0])
        row = given[chosen][0].astype(np.float64)
        pooling = keys.get("pooling", "none")
        if pooling == "gap":
            row = row.mean((1, 2)) if layout == "nchw" else row.mean((0, 1))
        row = {"cls": row[0], "mean": row.mean(0)}.get(pooling, row)
        if keys.get("l2"):
            row = row / np.linalg.norm(row)
        cases.append({"file": f"{name}.onnx", "keys": keys, "row": row.tolist()})
    (HERE / "onnx.json").write_text(json.dumps(cases, indent=1) + "\n")
    # What is refused: an operator that does not exist, two inputs, a grey image, integers out.
    node = helper.make_node("NoSuchOperator", ["image"], ["out"])
    value = helper.make_tensor_value_info
    bad = {
        "unknown_operator": ([node], [value("image", f32, free)], [value("out", f32, ["n", 6])]),
        "two_inputs": (
            [helper.make_node("Add", ["image", "other"], ["out"])],
            [value("image", f32, free), value("other", f32, free)],
            [value("out", f32, free)],
        ),
        "grey": (
            [helper.make_node("Flatten", ["image"], ["out"])],
            [value("image", f32, ["n", 1, 8, 8])],
            [value("out", f32, ["n", 64])],
        ),
        "integers": (
            [
                helper.make_node("Flatten", ["image"], ["flat"]),
                helper.make_node("ArgMax", ["flat"], ["out"], axis=1),
            ],
            [value("image", f32, free)],
            [value("out", TensorProto.INT64, ["n", 1])],
        ),
    }
    for name, (nodes, inputs, outputs) in bad.items():
        made = helper.make_graph(nodes, name, inputs, outputs)
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, HERE / "onnx" / f"{name}.onnx")


if __name__ == "__main__":
    resize()
    graphs()
