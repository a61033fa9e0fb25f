//! Whole files, good and hostile.

use super::*;

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

fn archive(table: &[u8], compress: bool) -> Vec<u8> {
    use std::io::Write;
    let method = if compress { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("archive/data.pkl", table), ("archive/data/0", &five_floats())] {
        writer.start_file(name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
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
    let cases: [(Vec<u8>, &str); 6] = [
        (archive(&table, true), "compressed, which PyTorch's archives never are"),
        (archive(b"\x80\x02}.", false), "it holds no tensors"),
        (b"hello".to_vec(), "not a weights file that Frostline knows"),
        (safetensors(r#"{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}"#, &[0; 4]), "do not hold shape [9]"),
        (safetensors(r#"{"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]), "type Q4"),
        (safetensors(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,40]}}"#, &[0; 4]), "ends after the file"),
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
