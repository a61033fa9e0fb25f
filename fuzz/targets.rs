//! What reads bytes of others, each as one function that must neither panic nor break its own promises, whatever it is
//! given, and that says whether it took the input. `tests/fuzz.rs` calls them with changed inputs of `fuzz/corpus`;
//! `cargo fuzz` could call the same functions.

use bytes::BytesMut;
use frostline_assets::{picture, weights};
use frostline_protocol::codec::{Message, Messages, encode, read_message};
use frostline_protocol::tools::{Classify, Export, Extract, Measure};
use frostline_protocol::{FromWorker, Greeting, Response, ToWorker};
use frostline_results::features::{self, Manifest};
use frostline_results::seal;
use frostline_sweep::definition::Definition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::Path;
use tokio_util::codec::Decoder;

/// The connection: what is read is what the other way of reading reads, and can be sent again. Taken where it is one or
/// more whole messages of one kind.
pub fn codec(bytes: &[u8]) -> bool {
    let taken = [
        messages::<Greeting>(bytes),
        messages::<FromWorker>(bytes),
        messages::<ToWorker>(bytes),
        messages::<Response>(bytes),
    ];
    taken.contains(&true)
}

fn messages<T: Message + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let mut reader = bytes;
    let mut codec = Messages::<T, T>::default();
    let mut buffer = BytesMut::from(bytes);
    let mut count = 0;
    loop {
        let message = match (read_message::<T>(&mut reader), codec.decode_eof(&mut buffer)) {
            (Ok(Some(one)), Ok(Some(other))) => {
                assert_eq!(one, other);
                one
            }
            (Ok(None), Ok(None)) => return count > 0,
            (Err(one), Err(other)) => {
                assert_eq!(one.to_string(), other.to_string());
                return false;
            }
            (one, other) => panic!("{one:?} and {other:?}"),
        };
        count += 1;
        let mut frame = Vec::new();
        encode(&message, &mut frame).expect("what was read can be sent");
        assert_eq!(read_message::<T>(&mut frame.as_slice()).expect("what was sent can be read"), Some(message));
    }
}

/// What a command asks of a worker program on its standard input: what is read can be asked again.
pub fn questions(bytes: &[u8]) -> bool {
    let taken = [
        question::<Export>(bytes),
        question::<Classify>(bytes),
        question::<Extract>(bytes),
        question::<Measure>(bytes),
    ];
    taken.contains(&true)
}

fn question<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Ok(question) = serde_json::from_reader::<_, T>(bytes) else { return false };
    let text = serde_json::to_vec(&question).expect("what was read can be asked");
    assert_eq!(serde_json::from_slice::<T>(&text).expect("what was asked can be read"), question);
    true
}

/// The manifest of a folder of the feature cache at `folder`: whoever needs no specification reads what the others read, and
/// a folder whose files are not there is not sound.
pub fn manifest(folder: &Path) -> bool {
    let rough = Manifest::<serde::de::IgnoredAny>::read(folder);
    let sound = features::is_sound(folder).expect("the manifest can be read");
    let Ok(manifest) = <Manifest>::read(folder) else {
        assert!(rough.is_ok() || !sound);
        return false;
    };
    let rough = rough.expect("it needs less");
    assert_eq!((&rough.files, rough.bytes), (&manifest.files, manifest.bytes));
    assert!(!sound || manifest.files.is_empty(), "the folder has no files");
    true
}

/// A sealed file: what is taken has its seal at its end, and sealed again it is the same.
pub fn sealed(bytes: &[u8], scratch: &Path) -> bool {
    let Some(content) = seal::content(bytes) else { return false };
    assert_eq!(content.len() + seal::BYTES, bytes.len());
    seal::write(scratch, |out| std::io::Write::write_all(out, content)).expect("the temporary folder can be written");
    assert_eq!(std::fs::read(scratch).expect("it was written"), bytes);
    true
}

/// A picture at `path`: three planes of the data sets' size, or an error that names the file.
pub fn picture(path: &Path) -> bool {
    match picture::read(path, None) {
        Ok(planes) => {
            assert_eq!(planes.len(), 3 * 32 * 32);
            true
        }
        Err(error) => {
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            false
        }
    }
}

/// A sweep definition: an error has a place, and what is accepted is accepted again in the form that is stored, with the
/// same meaning.
pub fn definition(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let set = [("train.epochs", "7"), ("data.test_limit", "50"), ("cache.features", "off"), ("keep.count", "2")];
    let set = set.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut taken = false;
    for overrides in [&set[..0], &set] {
        match Definition::parse("fuzz.toml", &text, overrides) {
            Ok(definition) => {
                let again =
                    Definition::parse("fuzz.toml", &definition.text, &[]).expect("what was accepted stays so");
                assert_eq!(format!("{again:?}"), format!("{definition:?}"));
                taken |= overrides.is_empty();
            }
            Err(errors) => {
                let said = errors.to_string();
                assert!(said.contains("fuzz.toml") || said.contains("--set"), "{said}");
            }
        }
    }
    taken
}

/// A weights file at `path`: whatever it claims, its tensors hold what the file has, and nothing it names is run.
pub fn weights(path: &Path) -> bool {
    /// Elements of the largest tensor of the corpus, and more.
    const MOST: i64 = 1 << 16;
    let opened = match weights::open(path) {
        Ok(opened) => opened,
        Err(error) => {
            let folder = path.parent().expect("a file lies in a folder");
            assert!(error.to_string().contains(&folder.display().to_string()), "{error}");
            return false;
        }
    };
    for name in opened.names() {
        let shape = opened.shape(name).expect("a name that is listed has a shape");
        let elements = shape.iter().try_fold(1i64, |product, length| product.checked_mul(*length));
        let elements = elements.expect("a shape that was accepted can be counted");
        if elements <= MOST
            && let Ok(values) = opened.f32(name)
        {
            assert_eq!(values.len() as i64, elements, "{name}");
        }
    }
    opened.names().next().is_some()
}
