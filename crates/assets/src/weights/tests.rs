//! Whole files, good and hostile.

use super::*;

mod wrapped;

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn refusal(bytes: &[u8]) -> String {
    let (_folder, path) = written(bytes);
    let error = open(&path).err().expect("refused").to_string();
    error.replace(&path.display().to_string(), "FILE")
}

/// A tensor `w` of shape [2, 2] stored transposed, from element 1 of a storage of five, as `torch.save` pickles it.
fn pickled_state(location: &str, middle: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x02}q\x00X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000".to_vec();
    bytes.extend([b'X', location.len() as u8, 0, 0, 0]);
    bytes.extend(location.as_bytes());
    bytes.extend(b"K\x05");
    bytes.extend(middle);
    bytes.extend(b"tQK\x01K\x02K\x02\x86K\x01K\x02\x86\x89ccollections\nOrderedDict\n)RtRs.");
    bytes
}

fn five_floats() -> Vec<u8> {
    (0..5).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

fn stream() -> Vec<u8> {
    let mut bytes = MAGIC_STREAM.to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    bytes.extend(pickled_state("cpu", b"N"));
    bytes.extend(b"\x80\x02]X\x01\x00\x00\x000a.");
    bytes.extend(5u64.to_le_bytes());
    bytes.extend(five_floats());
    bytes
}

const MAGIC_STREAM: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// A zip archive of these names and contents; true compresses.
fn members(files: &[(&str, &[u8], bool)]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for &(name, content, compress) in files {
        let method = if compress { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        writer.start_file(name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn archive(table: &[u8], compress: bool) -> Vec<u8> {
    members(&[("archive/data.pkl", table, compress), ("archive/data/0", &five_floats(), compress)])
}

fn safetensors(table: &str, data: &[u8]) -> Vec<u8> {
    [&(table.len() as u64).to_le_bytes()[..], table.as_bytes(), data].concat()
}

#[test]
fn both_pytorch_forms_give_the_same_strided_tensor() {
    for (bytes, format) in
        [(stream(), Format::PytorchStream), (archive(&pickled_state("cpu", b""), false), Format::PytorchZip)]
    {
        let (_folder, path) = written(&bytes);
        let checkpoint = open(&path).unwrap();
        assert_eq!(checkpoint.format(), format);
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["w"]);
        assert_eq!(checkpoint.shape("w"), Some(vec![2, 2]));
        assert_eq!(checkpoint.f32("w").unwrap(), [1.0, 3.0, 2.0, 4.0]);
        assert!(checkpoint.f32("v").unwrap_err().to_string().contains("no tensor `v`"));
    }
}

#[test]
fn safetensors_of_half_precision_are_converted() {
    let table = r#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]}}"#;
    let (_folder, path) = written(&safetensors(table, &[0x00, 0x3c, 0x01, 0x80, 0xc0, 0x3f]));
    let checkpoint = open(&path).unwrap();
    assert_eq!(checkpoint.format(), Format::Safetensors);
    assert_eq!(checkpoint.f32("a").unwrap(), [1.0, -(2f32.powi(-24))]);
    assert_eq!(checkpoint.f32("b").unwrap(), [1.5]);
}

#[test]
fn a_pickle_that_wants_to_run_code_is_refused_by_name() {
    let table = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.";
    let message = refusal(&archive(table, false));
    assert!(message.starts_with("FILE wants to run code when loaded: it names `posix.system`"), "{message}");
}

#[test]
fn every_truncation_is_an_error_and_never_a_panic() {
    for whole in [stream(), archive(&pickled_state("cpu", b""), false)] {
        for length in 0..whole.len() {
            refusal(&whole[..length]);
        }
    }
}

#[test]
fn damage_is_said_where_it_is() {
    let table = pickled_state("cpu", b"");
    let cases: [(Vec<u8>, &str); 7] = [
        (archive(&table, true), "archive/data.pkl is compressed, which PyTorch's and Keras' archives never are"),
        (archive(b"\x80\x02}.", false), "it holds no tensors"),
        (members(&[("notes.txt", b"none", false)]), "without PyTorch's data.pkl or Keras' model.weights.h5"),
        (b"hello".to_vec(), "not a weights file that Frostline knows"),
        (
            safetensors(r#"{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}"#, &[0; 4]),
            "tensor `a`: 4 bytes do not hold shape [9]",
        ),
        (
            safetensors(r#"{"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]),
            "tensor `a`: unknown variant `Q4`",
        ),
        (safetensors(r#"{"a":{"dtype":"F32","shape":[10],"data_offsets":[0,40]}}"#, &[0; 4]), "ends after the file"),
    ];
    for (bytes, expected) in cases {
        let message = refusal(&bytes);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_tensor_that_reaches_past_its_storage_is_refused() {
    let mut table = pickled_state("cpu", b"");
    let place = table.windows(4).position(|window| window == b"K\x02K\x02").unwrap();
    table[place + 1] = 200;
    assert!(refusal(&archive(&table, false)).contains("tensor `w` reaches past the file's data"));
}

#[test]
fn the_identity_of_weights_is_their_content() {
    let ((_a, first), (_b, second), (_c, other)) = (written(b"same"), written(b"same"), written(b"else"));
    let first = identity(&first).unwrap();
    assert_eq!(first, WeightsIdentity::File(blake3::hash(b"same").to_hex().to_string()));
    assert_eq!(first, identity(&second).unwrap());
    assert_ne!(first, identity(&other).unwrap());
    assert_eq!(identity(Path::new("no/such/file")).unwrap_err().kind(), io::ErrorKind::NotFound);
}

fn keras(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keras").join(name)
}

/// 0, 1, 2, …
fn count(end: usize) -> Vec<f32> {
    (0..end).map(|value| value as f32).collect()
}

#[test]
fn keras_3_numbers_its_variables() {
    for (file, element) in
        [("keras3.weights.h5", ElementType::Float32), ("keras3-bfloat16.weights.h5", ElementType::Bfloat16)]
    {
        let checkpoint = open(&keras(file)).unwrap();
        assert_eq!(checkpoint.format(), Format::Keras3);
        let names: Vec<&str> = checkpoint.names().collect();
        let expected = ["batch_normalization/vars/0", "batch_normalization/vars/1", "batch_normalization/vars/2"];
        assert_eq!(names[..3], expected.map(|name| format!("layers/{name}")));
        assert_eq!(names.len(), 4 + 1 + 1 + 2 + 2, "{names:?}");
        assert_eq!(checkpoint.shape("layers/depthwise_conv2d/vars/0"), Some(vec![3, 3, 4, 1]));
        assert_eq!(checkpoint.element_type("layers/conv2d/vars/0"), Some(element));
        assert_eq!(checkpoint.f32("layers/conv2d/vars/0").unwrap(), count(108), "{file}");
    }
}

#[test]
fn keras_archives_hold_the_same_tensors_as_the_file_inside() {
    for name in ["keras3.weights.h5", "compressed.h5"] {
        let plain = open(&keras(name)).unwrap();
        let inside = std::fs::read(keras(name)).unwrap();
        let archived =
            |compress| members(&[("metadata.json", b"{}", false), ("model.weights.h5", &inside, compress)]);
        let (_folder, path) = written(&archived(false));
        let archive = open(&path).unwrap();
        assert_eq!((archive.format(), archive.names().count()), (plain.format(), plain.names().count()));
        for tensor in plain.names() {
            assert_eq!(archive.f32(tensor).unwrap(), plain.f32(tensor).unwrap(), "{tensor}");
        }
        assert!(refusal(&archived(true)).contains("model.weights.h5 is compressed"));
        let whole = archived(false);
        for length in (0..whole.len()).step_by(61) {
            refusal(&whole[..length]);
        }
    }
}

#[test]
fn keras_older_files_name_their_variables() {
    let parts = ["beta", "gamma", "moving_mean", "moving_variance"];
    for file in ["keras2.h5", "saved-model.h5"] {
        let checkpoint = open(&keras(file)).unwrap();
        assert_eq!(checkpoint.format(), Format::KerasH5);
        let mut expected = vec!["block1a_dwconv2/kernel".to_owned()];
        expected.extend(["bias", "kernel"].map(|part| format!("block1a_se_reduce/{part}")));
        expected.extend(["bias", "kernel"].map(|part| format!("predictions/{part}")));
        expected.extend(parts.map(|part| format!("stem_bn/{part}")));
        expected.push("stem_conv/kernel".to_owned());
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), expected, "{file}");
        assert_eq!(checkpoint.f32("stem_conv/kernel").unwrap(), count(108));
        // A dense kernel is stored [in, out]: its transpose has the classes first.
        assert_eq!(checkpoint.f32_with_axes("predictions/kernel", &[1, 0]).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }
}

#[test]
fn compressed_and_half_precision_hdf5_is_read_as_well() {
    let checkpoint = open(&keras("compressed.h5")).unwrap();
    assert_eq!(checkpoint.f32("stem_conv/kernel").unwrap(), count(108));
    assert_eq!(checkpoint.element_type("stem_bn/gamma"), Some(ElementType::Float16));
    assert_eq!(checkpoint.f32("stem_bn/gamma").unwrap(), count(4));
    assert_eq!(checkpoint.f32("stem_bn/beta").unwrap(), count(4));
    assert_eq!(checkpoint.names().count(), 3, "texts are no tensors");
}

#[test]
fn a_small_file_that_unpacks_to_gigabytes_is_refused() {
    let message = open(&keras("bomb.h5")).err().expect("refused").to_string();
    assert!(message.contains("`top_conv/kernel:0`: it unpacks to more than 1 GiB"), "{message}");
}

#[test]
fn hdf5_that_is_cut_short_is_refused() {
    for file in ["keras2.h5", "keras3.weights.h5", "compressed.h5"] {
        let whole = std::fs::read(keras(file)).unwrap();
        for length in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
            let message = refusal(&whole[..length]);
            assert!(length < 100 || message.contains("damaged or cut short"), "{file} cut to {length}: {message}");
        }
    }
}

#[test]
fn damaged_bytes_are_an_error_or_other_values_and_never_a_panic() {
    let mut wholes: Vec<Vec<u8>> = vec![stream(), archive(&pickled_state("cpu", b""), false)];
    wholes.push(members(&[("model.weights.h5", &std::fs::read(keras("compressed.h5")).unwrap(), false)]));
    wholes.extend(["keras2.h5", "compressed.h5"].map(|file| std::fs::read(keras(file)).unwrap()));
    wholes.push(safetensors(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]));
    for whole in wholes {
        let step = whole.len().div_ceil(400);
        for place in (0..whole.len()).step_by(step) {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] ^= flip;
                let (_folder, path) = written(&bytes);
                if let Ok(checkpoint) = open(&path) {
                    checkpoint.names().for_each(|name| drop(checkpoint.f32(name).unwrap()));
                }
            }
        }
    }
}

#[test]
fn safetensors_that_are_cut_short_are_refused() {
    let whole = safetensors(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]);
    for length in 0..whole.len() {
        refusal(&whole[..length]);
    }
}

#[test]
fn half_precision_storages_of_pytorch_are_converted() {
    for (name, one) in [("HalfStorage\n", [0x00, 0x3c]), ("BFloat16Storage\n", [0x80, 0x3f])] {
        let table = pickled_state("cpu", b"");
        let place = table.windows(13).position(|window| window == b"FloatStorage\n").unwrap();
        let table = [&table[..place], name.as_bytes(), &table[place + 13..]].concat();
        let mut bytes = archive(&table, false);
        let floats = five_floats();
        let place = bytes.windows(floats.len()).position(|window| window == floats).unwrap();
        bytes[place..place + 10].copy_from_slice(&one.repeat(5));
        let (_folder, path) = written(&bytes);
        assert_eq!(open(&path).unwrap().f32("w").unwrap(), [1.0; 4], "{name}");
    }
}

#[test]
fn a_pickle_that_nests_too_deep_or_holds_itself_ends_in_an_error() {
    let nested = [&b"\x80\x02N"[..], &b"\x85".repeat(1_000_000), b"."].concat();
    let lists = [&b"\x80\x02"[..], &b"]".repeat(300_000), &b"a".repeat(299_999), b"."].concat();
    for table in [&nested, &lists] {
        assert!(refusal(&archive(table, false)).contains("no dictionary of tensors"));
    }
    // Each tuple holds the one before twice: 2^60 values in 200 bytes.
    let laughing = [&b"\x80\x02N"[..], &b"q\x00h\x00\x86".repeat(60), b"."].concat();
    let itself = b"\x80\x02]q\x00h\x00a.".to_vec();
    for object in [laughing, itself] {
        assert!(refusal(&archive(&object, false)).contains("no dictionary of tensors"));
        let mut bytes = MAGIC_STREAM.to_vec();
        bytes.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
        bytes.extend(object);
        bytes.extend(b"\x80\x02].");
        assert!(refusal(&bytes).contains("no dictionary of tensors"));
    }
}

#[test]
fn written_safetensors_read_back_with_their_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.safetensors");
    let tensors = [("b".to_owned(), vec![2, 2]), ("a".to_owned(), vec![1])];
    let values = |index: usize| Ok::<_, io::Error>(if index == 0 { count(4) } else { vec![0.5] });
    write_safetensors(&path, &BTreeMap::from([("format", "pt".to_owned())]), &tensors, values).unwrap();
    let checkpoint = open(&path).unwrap();
    assert_eq!(checkpoint.metadata("format"), Some("pt"));
    assert_eq!((checkpoint.f32("b").unwrap(), checkpoint.f32("a").unwrap()), (count(4), vec![0.5]));
    assert_eq!(checkpoint.shape("b"), Some(vec![2, 2]));
    assert_eq!(checkpoint.names().count(), 2);
}
