"""Numbers that Rust repeats exactly (`crates/training/tests/goldens/formula.rs`), so that no weights are kept.

Element `i` of the stream called `name` is SplitMix64's output for the state `FNV-1a(name) + (i + 1) * GAMMA`, its upper
53 bits as a fraction in [0, 1). Elements lie in PyTorch's order of axes.
"""

import math

import numpy as np

GAMMA = np.uint64(0x9E3779B97F4A7C15)


def fnv1a(name: str) -> np.uint64:
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return np.uint64(state)


def uniform(name: str, count: int) -> np.ndarray:
    """float64 in [0, 1)."""
    with np.errstate(over="ignore"):
        z = fnv1a(name) + np.arange(1, count + 1, dtype=np.uint64) * GAMMA
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The parameter `layer.part`. Normalizations are no identities.

    The image stays visible at every depth, and rounding stays small: convolutions make up for what activations take
    away, and what a block adds to its input is small against it. Otherwise every block amplifies the rounding of those
    before it, and both sides of a comparison drift apart without either being wrong.
    """
    u = uniform(name, math.prod(shape))
    layer, part = name.rsplit(".", 1)
    if len(shape) == 4:
        values = (2 * u - 1) * (2.2 / math.sqrt(math.prod(shape[1:])))
    elif part == "weight" and is_added(layer):
        values = 0.35 * (0.5 + u)
    elif part in ("weight", "running_var"):
        values = 0.5 + u
    else:
        values = (2 * u - 1) * 0.1
    return values.astype(np.float32).reshape(shape)


def is_added(layer: str) -> bool:
    """Whether it is the last normalization of a block that is not its stage's first: `block2b_project_bn`."""
    block, _, rest = layer.partition("_")
    return rest == "project_bn" and not block.endswith("a")


def pixels(name: str, batch: int, size: int) -> np.ndarray:
    """`[batch, 3, size, size]` of whole numbers in 0..=255."""
    return np.floor(uniform(name, batch * 3 * size * size) * 256).astype(np.float32).reshape(batch, 3, size, size)


def sample(values: np.ndarray, most: int) -> np.ndarray:
    """All elements in order where there are at most `most`, else as many from places that the formula draws."""
    values = values.reshape(-1)
    if values.size > most:
        values = values[np.floor(uniform("sample", most) * values.size).astype(np.int64)]
    return np.ascontiguousarray(values, dtype=np.float32)
