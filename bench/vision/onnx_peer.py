"""An ONNX encoder in Python, driven line by line: by qualm or by onnxruntime itself.

    python onnx_peer.py ENCODER.onnx PREPROCESSING IMAGES.npy THREADS qualm|onnxruntime

Each line embeds all images, from uint8 (n, height, width, 3) to float32 rows. The answer has a
weighted sum of the rows, which says that both made the same. onnxruntime gets images that NumPy
normalised, as a user would write it; they have the size that the encoder wants.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import contender  # noqa: E402

BATCH = 128


def by_qualm(path, preprocessing, threads):
    import qualm

    encoder = qualm.Encoder.open(path, preprocessing=preprocessing)
    return lambda images: encoder.embed(images, n_jobs=threads)


def by_onnxruntime(path, preprocessing, threads):
    import onnxruntime
    import qualm

    keys = qualm.Encoder.open(path, preprocessing=preprocessing).preprocessing
    mean, std = (np.array(keys[name], np.float32) for name in ("mean", "std"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]

    def prepared(images):
        # Some graphs take pixels as they are and normalise them themselves.
        if wanted.type == "tensor(uint8)":
            return images
        values = (images.astype(np.float32) / 255.0 - mean) / std
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))

    def embed(images):
        batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        return np.concatenate([session.run(None, {wanted.name: prepared(b)})[0] for b in batches])

    return embed


def main(path, preprocessing, images, threads, kind):
    images = np.load(images)
    make = by_qualm if kind == "qualm" else by_onnxruntime
    embed = make(path, preprocessing, int(threads))

    def answer(_):
        wall, cpu = time.perf_counter(), time.process_time()
        rows = embed(images)
        seconds = time.perf_counter() - wall
        cpu = time.process_time() - cpu
        weights = np.cos(np.arange(rows.size, dtype=np.float64)).reshape(rows.shape)
        return {"seconds": seconds, "cpu": cpu, "sum": float((rows * weights).sum())}

    contender.serve(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
