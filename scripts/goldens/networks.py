"""The networks of the original libraries, with weights from the formula, each behind the same few calls."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import timm
import torch
from efficientnet_lite_pytorch import EfficientNet
from torchvision.models import EfficientNet_V2_S_Weights, efficientnet_v2_s
from torchvision.ops import StochasticDepth

import formula

# Keras' names of variables, as PyTorch calls them.
PARTS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}

LITE0_STAGES = [(1, 1), (6, 2), (6, 2), (6, 3), (6, 3), (6, 4), (6, 1)]


def block_name(stage: int, place: int) -> str:
    return f"block{stage + 1}{chr(ord('a') + place)}"


def keras_v2_s(size: int) -> keras.Model:
    keras.backend.clear_session()
    return keras.applications.EfficientNetV2S(include_top=False, weights=None, input_shape=(size, size, 3))


def weighted_layers_v2_s() -> list[str]:
    return [layer.name for layer in keras_v2_s(64).layers if layer.weights]


def weighted_layers_lite0() -> list[str]:
    """What Keras would call the layers of EfficientNet-Lite0, which it does not have."""
    names = ["stem_conv", "stem_bn"]
    for stage, (expansion, repeats) in enumerate(LITE0_STAGES):
        for place in range(repeats):
            parts = ["dwconv2", "bn", "project_conv", "project_bn"]
            parts = parts if expansion == 1 else ["expand_conv", "expand_bn", *parts]
            names += [f"{block_name(stage, place)}_{part}" for part in parts]
    return [*names, "top_conv", "top_bn"]


class Keras:
    """`keras.applications.EfficientNetV2S` as it comes, its rescaling included."""

    def __init__(self, size: int):
        self.model = keras_v2_s(size)
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        for name, variable in self.variables():
            shape = self.to_torch(name, np.empty(variable.shape)).shape
            variable.assign(self.from_torch(name, formula.weight(name, shape)))

    def variables(self):
        """Each variable with the layer and PyTorch's part as its name."""
        for layer in self.model.layers:
            for variable in layer.variables:
                if variable.name in PARTS:
                    yield f"{layer.name}.{PARTS[variable.name]}", variable

    @staticmethod
    def to_torch(name: str, values):
        axes = (2, 3, 0, 1) if "dwconv" in name else (3, 2, 0, 1)
        return values.transpose(axes) if values.ndim == 4 else values

    @staticmethod
    def from_torch(name: str, values):
        axes = (2, 3, 0, 1) if "dwconv" in name else (2, 3, 1, 0)
        return values.transpose(axes) if values.ndim == 4 else values

    def segments(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        ends = {"stem": "stem_activation"}
        for layer in self.model.layers:
            if layer.name.startswith("block"):
                ends[layer.name.split("_")[0]] = layer.name
        outputs = [self.model.get_layer(name).output for name in ends.values()]
        model = keras.Model(self.model.input, [*outputs, self.model.output])
        with torch.no_grad():
            *outputs, top = model(pixels.transpose(0, 2, 3, 1), training=False)
        found = {name: output.cpu().numpy().transpose(0, 3, 1, 2) for name, output in zip(ends, outputs)}
        found["top"] = top.mean(dim=(1, 2)).cpu().numpy()
        return found

    def freeze(self, layers: int):
        for layer in self.model.layers[:layers]:
            layer.trainable = False

    def pooled(self, pixels: np.ndarray) -> torch.Tensor:
        return self.model(pixels.transpose(0, 2, 3, 1), training=True).mean(dim=(1, 2))

    def trained(self) -> dict[str, torch.Tensor]:
        """What Keras trains, in its order."""
        ours = {id(variable): name for name, variable in self.variables()}
        return {ours[id(variable)]: variable.value for variable in self.model.trainable_variables}

    def statistics(self) -> dict[str, np.ndarray]:
        return {name: v.value.detach().numpy() for name, v in self.variables() if ".running_" in name}


class Torch:
    """A network of a PyTorch library."""

    def __init__(self, model: torch.nn.Module, layers: list[str], scaling):
        self.model, self.mean, self.deviation = model.eval(), *scaling
        kinds = (torch.nn.Conv2d, torch.nn.BatchNorm2d)
        modules = [(path, module) for path, module in model.named_modules() if isinstance(module, kinds)]
        # Both lists follow the network from image to features.
        self.paths = dict(zip(layers, [path for path, _ in modules], strict=True))
        state = {}
        for layer, path in self.paths.items():
            for part, old in model.get_submodule(path).state_dict().items():
                if part != "num_batches_tracked":
                    state[f"{path}.{part}"] = torch.from_numpy(formula.weight(f"{layer}.{part}", tuple(old.shape)))
        missing, unexpected = model.load_state_dict(state, strict=False)
        assert not unexpected
        assert all("classifier" in key or "_fc" in key or "num_batches" in key for key in missing), missing

    def prepare(self, pixels: np.ndarray) -> torch.Tensor:
        channel = lambda values: torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1)
        return (torch.from_numpy(pixels) - channel(self.mean)) / channel(self.deviation)

    def segments(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}

        def keep(name: str):
            def hook(_module, _inputs, output):
                # A module that runs more than once is kept from its first time.
                found.setdefault(name, output.detach().numpy().copy())

            return hook

        hooks = [module.register_forward_hook(keep(name)) for name, module in self.steps().items()]
        with torch.no_grad():
            pooled = self.features(self.prepare(pixels))
        for hook in hooks:
            hook.remove()
        return {**found, "top": pooled.numpy()}


class Torchvision(Torch):
    def __init__(self, size: int):
        scaling = EfficientNet_V2_S_Weights.IMAGENET1K_V1.transforms()
        scaling = [[255 * value for value in values] for values in (scaling.mean, scaling.std)]
        super().__init__(efficientnet_v2_s(weights=None), weighted_layers_v2_s(), scaling)

    def steps(self):
        features = self.model.features
        blocks = {
            block_name(stage, place): block
            for stage, blocks in enumerate(list(features)[1:-1])
            for place, block in enumerate(blocks)
        }
        return {"stem": features[0], **blocks}

    def features(self, images):
        return self.model.avgpool(self.model.features(images)).flatten(1)

    def pooled(self, pixels: np.ndarray) -> torch.Tensor:
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, StochasticDepth):
                module.p = 0.0
        return self.features(self.prepare(pixels))

    def trained(self) -> dict[str, torch.Tensor]:
        found = {}
        for layer, path in self.paths.items():
            for part, parameter in self.model.get_submodule(path).named_parameters():
                found[f"{layer}.{part}"] = parameter
        return found

    def statistics(self) -> dict[str, np.ndarray]:
        found = {}
        for layer, path in self.paths.items():
            for part, buffer in self.model.get_submodule(path).named_buffers():
                if part != "num_batches_tracked":
                    found[f"{layer}.{part}"] = buffer.numpy()
        return found


class Timm(Torch):
    def __init__(self, name: str, layers: list[str]):
        model = timm.create_model(name, pretrained=False)
        config = timm.data.resolve_model_data_config(model)
        super().__init__(model, layers, [[255 * v for v in config[key]] for key in ("mean", "std")])

    def steps(self):
        blocks = {
            block_name(stage, place): block
            for stage, blocks in enumerate(self.model.blocks)
            for place, block in enumerate(blocks)
        }
        return {"stem": self.model.bn1, **blocks}

    def features(self, images):
        return self.model.forward_head(self.model.forward_features(images), pre_logits=True)


class TimmV2S(Timm):
    def __init__(self, size: int):
        super().__init__("tf_efficientnetv2_s", weighted_layers_v2_s())


class TimmLite0(Timm):
    def __init__(self, size: int):
        super().__init__("tf_efficientnet_lite0", weighted_layers_lite0())


class LitePytorch(Torch):
    """The port of EfficientNet-Lite; it fixes its padding for one image size when it is built."""

    def __init__(self, size: int):
        model = EfficientNet.from_name("efficientnet-lite0", image_size=size)
        super().__init__(model, weighted_layers_lite0(), ([127.0] * 3, [128.0] * 3))

    def steps(self):
        places = [(stage, place) for stage, (_, repeats) in enumerate(LITE0_STAGES) for place in range(repeats)]
        blocks = {block_name(*place): block for place, block in zip(places, self.model._blocks, strict=True)}
        return {"stem": self.model._swish, **blocks}

    def features(self, images):
        return self.model._avg_pooling(self.model.extract_features(images)).flatten(1)


# What each golden's name begins with: backbone and origin.
V2_S = {"keras": Keras, "torchvision": Torchvision, "timm": TimmV2S}
LITE0 = {"timm": TimmLite0, "lite_pytorch": LitePytorch}
