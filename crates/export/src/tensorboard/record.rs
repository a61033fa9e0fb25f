//! TFRecord, the framing of event files: a length, its checksum, the bytes, their checksum.
//!
//! Checksums are CRC-32C, rotated and shifted so that one of a text which holds checksums is no trivial one
//! (TensorFlow, `core/lib/hash/crc32c.h`, `Mask`).

use super::messages::Event;
use prost::Message;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

pub(super) struct EventFile(BufWriter<File>);

impl EventFile {
    pub(super) fn create(path: &Path) -> io::Result<EventFile> {
        Ok(EventFile(BufWriter::new(File::create(path)?)))
    }

    pub(super) fn write(&mut self, event: &Event) -> io::Result<()> {
        write_record(&mut self.0, &event.encode_to_vec())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn write_record(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = (bytes.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked(&length).to_le_bytes())?;
    out.write_all(bytes)?;
    out.write_all(&masked(bytes).to_le_bytes())
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::super::messages::{HParamsPluginData, SessionStartInfo, Value, hparams, value};
    use super::*;
    use std::collections::BTreeMap;

    /// As TensorBoard 2.21 writes the same with its own `RecordWriter` and messages.
    #[test]
    fn records_are_those_of_tensorboard_to_the_byte() {
        let record = |event: &Event| {
            let mut bytes = Vec::new();
            write_record(&mut bytes, &event.encode_to_vec()).unwrap();
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let version = Some("brain.Event:2".to_owned());
        let version = Event { wall_time: 1_764_000_000.0, file_version: version, ..Event::default() };
        assert_eq!(
            record(&version),
            "1800000000000000a37f4b2209000000402049da411a0d627261696e2e4576656e743a32c426e9b7"
        );
        assert_eq!(
            record(&Event::scalar(1_764_000_001.5, 3, "val_accuracy", 0.75)),
            "220000000000000078113dfd09000060402049da4110032a150a130a0c76616c5f6163637572616379150000403f6aaf5f51"
        );
        let adam = Value { kind: Some(value::Kind::Text("adam".to_owned())) };
        let start = SessionStartInfo {
            hparams: BTreeMap::from([("optimizer".to_owned(), adam)]),
            group_name: "g".to_owned(),
            start_time_secs: 1_764_000_000.0,
        };
        assert_eq!(
            record(&hparams("_hparams_/session_start_info", 1_764_000_000.0, HParamsPluginData::of(start))),
            "6500000000000000ebd05a6909000000402049da412a5a0a580a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e\
             666f42060801120212004a300a2e0a0768706172616d7312231a210a130a096f7074696d697a657212061a046164616d2201672900\
             0000402049da41ef8a60cd"
        );
    }
}
