//! A good definition, and what makes it wrong.

pub const GOOD: &str = r#"[sweep]
name = "demo"
objective = "val_accuracy"
seeds = [0, 1]

[data]
dataset = "cifar10"
path = "images"
validation = 0.1
image_size = 64

[model]
backbone = "efficientnet_v2_s"
weights = "random"

[grid]
frozen_layers = [0.5, "all"]
head_depth = [1, 2]
optimizer = ["adam", "rmsprop"]

[[exclude]]
frozen_layers = 0.5
optimizer = "rmsprop"

[train]
epochs = 3
head_units = [32, 16]
head_dropout = [0.5]

[workers]
count = "auto"
device = "cpu"
"#;

/// What is replaced in the good definition, and by what.
pub const CHANGES: &[(&str, &str)] = &[
    ("[sweep]\n", "[sweep\n"),
    ("name = \"demo\"\n", ""),
    ("\"demo\"", "\"my sweep\""),
    ("\"demo\"", "7"),
    ("objective", "objectiv"),
    ("\"val_accuracy\"", "\"accuracy\""),
    ("\"val_accuracy\"", "\"test_accuracy\""),
    ("seeds = [0, 1]", "seeds = []"),
    ("seeds = [0, 1]", "seeds = [3, 1, 3]"),
    ("seeds = [0, 1]", "seeds = [-1]"),
    ("\"cifar10\"", "\"cifar11\""),
    ("\"cifar10\"", "\"shapes\""),
    ("validation = 0.1", "validation = 1.0"),
    ("image_size = 64", "image_size = 16"),
    ("image_size = 64", "image_size = \"64\""),
    ("image_size = 64", "image_size = 64\nepochs = 2"),
    ("\"efficientnet_v2_s\"", "\"efficientnet_v2s\""),
    ("[grid]", "[gird]"),
    ("[0.5, \"all\"]", "[]"),
    ("[0.5, \"all\"]", "0.5"),
    ("[0.5, \"all\"]", "[514]"),
    ("[0.5, \"all\"]", "[1.5]"),
    ("[0.5, \"all\"]", "[-1]"),
    ("[0.5, \"all\"]", "[\"half\"]"),
    ("[0.5, \"all\"]", "[256, 0.5]"),
    ("[\"adam\", \"rmsprop\"]", "[\"adam\", \"adam\"]"),
    ("[\"adam\", \"rmsprop\"]", "[\"adam\", \"rmsprob\"]"),
    ("head_depth = [1, 2]", "head_depth = [1, 3]"),
    ("head_depth = [1, 2]", "head_depht = [1, 2]"),
    ("head_depth = [1, 2]", "head_depth = [1, 2]\nimage_size = [64, 96]"),
    ("head_depth = [1, 2]", "head_depth = [1, 2]\nepochs = [1, 2]"),
    ("head_dropout = [0.5]", "head_dropout = [1.0]"),
    ("head_dropout = [0.5]", "head_dropout = [0.1, 0.2, 0.3]"),
    ("head_dropout = [0.5]", "learning_rate = 0"),
    ("epochs = 3", "epochs = 0"),
    ("epochs = 3", "epoch = 3"),
    ("epochs = 3", "epochs = 1979-05-27"),
    ("frozen_layers = 0.5\noptimizer", "frozen_layers = 12\noptimizer"),
    ("frozen_layers = 0.5\noptimizer = \"rmsprop\"", "epochs = 3"),
    ("frozen_layers = 0.5\noptimizer = \"rmsprop\"", "optimizer = [\"adam\", \"rmsprop\"]"),
    ("[[exclude]]", "[exclude]"),
    ("count = \"auto\"", "count = 1025"),
    ("device = \"cpu\"", "device = \"gpu\""),
    ("device = \"cpu\"", "device = \"cpu\"\n\n[cache]\nmax_bytes = \"20 gigs\""),
    ("device = \"cpu\"", "lease = 0"),
    ("device = \"cpu\"", "device = \"cpu\"\n\n[keep]\nmodels = \"some\"\ncount = 0"),
    ("head_depth = [1, 2]", "head_units = [[32], []]"),
    ("head_dropout = [0.5]", "clip_norm = -1.0"),
    ("head_dropout = [0.5]", "warmup_epochs = 4"),
    ("head_dropout = [0.5]", "learning_rate = nan"),
    ("head_depth = [1, 2]", "weight_decay = [0.0, -0.0]"),
    ("path = \"images\"", "path = \"\""),
    ("path = \"images\"", "train_limit = 19\ntest_limit = 9"),
    ("path = \"images\"", "test_limit = 99999999999999999999"),
    ("path = \"images\"", "count = 2"),
];
