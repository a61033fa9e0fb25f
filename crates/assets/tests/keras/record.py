"""Writes the small files beside it, with Keras 3.15.1 on PyTorch and h5py 3.16.0: run once, when they have to change."""

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import h5py
import keras
import numpy as np

HERE = Path(__file__).parent


def model(policy):
    """Each kind of layer with weights that the family has, and a dense head on top."""
    keras.config.set_dtype_policy(policy)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="stem_conv")(image)
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = keras.layers.DepthwiseConv2D(3, use_bias=False, name="block1a_dwconv2")(x)
    x = keras.layers.Conv2D(2, 1, name="block1a_se_reduce")(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(3, name="predictions")(x)
    return keras.Model(image, x)


def count_up(model):
    """Weights 0, 1, 2, … in each tensor, in Keras' order of axes."""
    model.set_weights([np.arange(w.size, dtype="f4").reshape(w.shape) for w in model.get_weights()])
    return model


count_up(model("float32")).save_weights(HERE / "keras3.weights.h5")
count_up(model("bfloat16")).save_weights(HERE / "keras3-bfloat16.weights.h5")
count_up(model("float32")).save(HERE / "saved-model.h5")

# As TensorFlow's Keras 2 wrote the files that keras.applications downloads.
with h5py.File(HERE / "keras2.h5", "w", libver=("earliest", "v108")) as file:
    layers = {
        "stem_conv": {"kernel": (3, 3, 3, 4)},
        "stem_bn": {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_variance": (4,)},
        "block1a_dwconv2": {"depthwise_kernel": (3, 3, 4, 1)},
        "block1a_se_reduce": {"kernel": (1, 1, 4, 2), "bias": (2,)},
        "top_activation": {},
        "predictions": {"kernel": (2, 3), "bias": (3,)},
    }
    file.attrs["layer_names"] = [name.encode() for name in layers]
    file.attrs["backend"] = b"tensorflow"
    for layer, parts in layers.items():
        group = file.create_group(layer)
        group.attrs["weight_names"] = [f"{layer}/{part}:0".encode() for part in parts]
        for part, shape in parts.items():
            group[f"{layer}/{part}:0"] = np.arange(np.prod(shape), dtype="f4").reshape(shape)

# What h5py makes of other wishes: the form of HDF5 1.10, compression, half precision.
with h5py.File(HERE / "compressed.h5", "w", libver=("v110", "v110")) as file:
    values = np.arange(3 * 3 * 3 * 4, dtype="f4").reshape(3, 3, 3, 4)
    file.create_dataset("stem_conv/stem_conv/kernel:0", data=values, compression="gzip", shuffle=True)
    file.create_dataset("stem_bn/stem_bn/gamma:0", data=np.arange(4, dtype="f2"))
    file.create_dataset("stem_bn/stem_bn/beta:0", data=np.arange(4, dtype="f8"), chunks=(3,), fletcher32=True)
    file["notes"] = "no numbers"

# A small file that unpacks to 4 GiB.
with h5py.File(HERE / "bomb.h5", "w") as file:
    file.create_dataset("top_conv/kernel:0", shape=(1 << 30,), dtype="f4", chunks=(1 << 20,), compression="gzip")
