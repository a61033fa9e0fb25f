//! How a message lies on the wire: its length as four bytes, most significant first, then that many bytes: JSON, and behind
//! a zero byte, which JSON never has, what the message carries beside it.

use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, ErrorKind, Read, Write};
use std::marker::PhantomData;
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// A longer message is refused by both sides.
pub const MAX_BYTES: usize = 4 << 20;
const PREFIX: usize = 4;
/// Behind it lies what a message carries.
const LOAD: u8 = 0;

#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("a message of {length} bytes is longer than the {MAX_BYTES} allowed")]
    TooLong { length: usize },
    #[error("the message `{start}` can't be read: {reason}")]
    Malformed { start: String, reason: serde_json::Error },
    #[error("the message `{start}` can't be read: it carries bytes, and its kind has none")]
    Laden { start: String },
    #[error("the message has a number that is infinite or not a number")]
    NotFinite,
    #[error("the message can't be written: {0}")]
    Unwritable(serde_json::Error),
    #[error("the connection ended within a message")]
    Truncated,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Something that travels.
pub trait Message: Serialize + DeserializeOwned {
    /// Bytes that travel beside the JSON, as they are.
    fn load(&self) -> Option<&[u8]> {
        None
    }

    /// Takes what came beside the JSON. False where this message carries nothing.
    fn take_load(&mut self, _bytes: &[u8]) -> bool {
        false
    }
}

/// Appends `message` to `out`; leaves `out` as it was where that fails.
pub fn encode<T: Message>(message: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let body = body(message)?;
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(body);
    Ok(())
}

fn body<T: Message>(message: &T) -> Result<Vec<u8>, CodecError> {
    let mut body = serde_json::to_vec(message).map_err(CodecError::Unwritable)?;
    let load = message.load();
    let length = body.len() + load.map_or(0, |load| 1 + load.len());
    if length > MAX_BYTES {
        return Err(CodecError::TooLong { length });
    }
    // JSON has no word for them, so `serde_json` writes null, which the other side could not read as a number.
    if body.windows(4).any(|window| window == b"null") && serde_json::from_slice::<T>(&body).is_err() {
        return Err(CodecError::NotFinite);
    }
    if let Some(load) = load {
        body.reserve_exact(1 + load.len());
        body.push(LOAD);
        body.extend(load);
    }
    Ok(body)
}

/// Frames and messages together, for `tokio_util::codec`: takes in bytes as they come and gives out the messages in them,
/// and the other way round. After an error the connection is of no use any more.
pub struct Messages<Out, In> {
    frames: LengthDelimitedCodec,
    /// A message has begun and is not complete.
    is_within: bool,
    types: PhantomData<fn(Out) -> In>,
}

impl<Out, In> Default for Messages<Out, In> {
    fn default() -> Messages<Out, In> {
        Messages::up_to(MAX_BYTES)
    }
}

impl<Out, In> Messages<Out, In> {
    /// Refuses messages that are longer than `most` bytes.
    pub fn up_to(most: usize) -> Messages<Out, In> {
        let most = most.min(MAX_BYTES);
        let frames = LengthDelimitedCodec::builder().length_field_length(PREFIX).max_frame_length(most).new_codec();
        Messages { frames, is_within: false, types: PhantomData }
    }
}

impl<Out, In: Message> Decoder for Messages<Out, In> {
    type Item = In;
    type Error = CodecError;

    /// The next message, where all of it is there. A message that is announced as too long is refused at once.
    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<In>, CodecError> {
        // It leaves the prefix where it is when it refuses what the prefix announces.
        let prefix = bytes.first_chunk().copied();
        let has_begun = self.is_within || !bytes.is_empty();
        match self.frames.decode(bytes) {
            Ok(frame) => {
                self.is_within = frame.is_none() && has_begun;
                frame.map(|body| decode(&body)).transpose()
            }
            Err(error) => Err(prefix.and_then(|prefix| announced(prefix).err()).unwrap_or(CodecError::Io(error))),
        }
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<In>, CodecError> {
        match self.decode(bytes)? {
            None if self.is_within => Err(CodecError::Truncated),
            message => Ok(message),
        }
    }
}

impl<Out: Message, In> Encoder<&Out> for Messages<Out, In> {
    type Error = CodecError;

    fn encode(&mut self, message: &Out, bytes: &mut BytesMut) -> Result<(), CodecError> {
        Ok(self.frames.encode(body(message)?.as_slice(), bytes)?)
    }
}

/// Writes one message and nothing else: buffer and flushing are the caller's.
pub fn write_message<T: Message>(writer: &mut impl Write, message: &T) -> Result<(), CodecError> {
    let mut frame = Vec::new();
    encode(message, &mut frame)?;
    writer.write_all(&frame)?;
    Ok(())
}

/// Waits for one message. None where the other side closed the connection between two messages.
pub fn read_message<T: Message>(reader: &mut impl Read) -> Result<Option<T>, CodecError> {
    let mut prefix = [0; PREFIX];
    let mut filled = 0;
    while filled < PREFIX {
        match reader.read(&mut prefix[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(CodecError::Truncated),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = announced(prefix)?;
    // Grows with what really comes, not with what was announced.
    let mut body = Vec::with_capacity(length.min(64 << 10));
    reader.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(CodecError::Truncated);
    }
    decode(&body).map(Some)
}

fn announced(prefix: [u8; PREFIX]) -> Result<usize, CodecError> {
    match u32::from_be_bytes(prefix) as usize {
        length if length > MAX_BYTES => Err(CodecError::TooLong { length }),
        length => Ok(length),
    }
}

fn decode<T: Message>(body: &[u8]) -> Result<T, CodecError> {
    let start = || String::from_utf8_lossy(&body[..body.len().min(80)]).escape_debug().to_string();
    let mut parts = body.splitn(2, |byte| *byte == LOAD);
    let json = parts.next().unwrap_or_default();
    let mut message: T =
        serde_json::from_slice(json).map_err(|reason| CodecError::Malformed { start: start(), reason })?;
    match parts.next() {
        Some(load) if !message.take_load(load) => Err(CodecError::Laden { start: start() }),
        _ => Ok(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Claim, Freight, FromWorker, Piece, Report, TaskKey, ToWorker};
    use frostline_sweep::outcome::{AttemptId, EpochMetrics};
    use frostline_sweep::trial::TrialId;

    impl Message for f64 {}
    impl Message for String {}
    impl Message for (f64, Option<f64>) {}

    fn piece(bytes: &[u8]) -> FromWorker {
        let claim = Claim { task: TaskKey::Trial(TrialId([7; 16])), attempt: AttemptId(3) };
        let piece = Piece { at: 5, of: 9, digest: "d".to_owned(), bytes: bytes.to_vec() };
        FromWorker::Piece { claim, freight: Freight::Checkpoint, piece }
    }

    fn to_worker(bytes: &[u8]) -> ToWorker {
        let FromWorker::Piece { claim, piece, .. } = piece(bytes) else { panic!("a piece") };
        ToWorker::Piece { attempt: claim.attempt, piece }
    }

    fn epoch(val_loss: f64) -> FromWorker {
        let claim = Claim { task: TaskKey::Trial(TrialId([7; 16])), attempt: AttemptId(3) };
        let metrics = EpochMetrics {
            epoch: 1,
            train_loss: 0.1 + 0.2,
            train_accuracy: 0.5,
            val_loss,
            val_accuracy: 0.25,
            learning_rate: 1e-3,
            seconds: 1.5,
            images_per_second: 100.0,
            peak_memory: 1 << 40,
            by_class: None,
        };
        FromWorker::Report { claim, number: 1, report: Report::Epoch(metrics) }
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_the_bytes_are_cut() {
        let messages =
            [FromWorker::Heartbeat, epoch(1.0 / 3.0), piece(b"{\0\0\xff"), piece(b""), FromWorker::Heartbeat];
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| encode(message, &mut bytes).unwrap());
        for size in [1, 2, 3, 5, 64, bytes.len()] {
            let mut codec = Messages::<FromWorker, FromWorker>::default();
            let (mut received, mut buffer) = (Vec::new(), BytesMut::new());
            for piece in bytes.chunks(size) {
                buffer.extend_from_slice(piece);
                while let Some(message) = codec.decode(&mut buffer).unwrap() {
                    received.push(message);
                }
            }
            assert_eq!(received, messages);
            assert!(codec.decode_eof(&mut buffer).unwrap().is_none());
        }
        let (mut codec, mut buffer) = (Messages::<FromWorker, FromWorker>::default(), BytesMut::new());
        messages.iter().for_each(|message| codec.encode(message, &mut buffer).unwrap());
        let mut written = Vec::new();
        messages.iter().for_each(|message| write_message(&mut written, message).unwrap());
        assert_eq!(
            (&buffer[..], written.as_slice()),
            (&bytes[..], &bytes[..]),
            "all ways of writing give these bytes"
        );
        let mut reader = bytes.as_slice();
        for message in messages {
            assert_eq!(read_message::<FromWorker>(&mut reader).unwrap(), Some(message));
        }
        assert_eq!(read_message::<FromWorker>(&mut reader).unwrap(), None);
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_and_leaves_nothing_behind() {
        let mut out = b"before".to_vec();
        for loss in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(encode(&epoch(loss), &mut out), Err(CodecError::NotFinite)));
            assert_eq!(out, b"before");
            assert!(matches!(encode(&loss, &mut out), Err(CodecError::NotFinite)), "alone, too");
        }
        encode(&(1.5, None::<f64>), &mut out).unwrap();
        assert_eq!(out, b"before\0\0\0\x0a[1.5,null]", "nothing is another thing than no number");
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_before_it_is_read() {
        let mut buffer = BytesMut::from(u32::MAX.to_be_bytes().as_slice());
        let refused = Messages::<FromWorker, FromWorker>::default().decode(&mut buffer);
        assert!(matches!(refused, Err(CodecError::TooLong { length: 0xffff_ffff })), "{refused:?}");
        let announced = u32::MAX.to_be_bytes();
        assert!(matches!(read_message::<FromWorker>(&mut announced.as_slice()), Err(CodecError::TooLong { .. })));
        // With the quotes around it.
        let longest = "x".repeat(MAX_BYTES - 2);
        let mut bytes = Vec::new();
        encode(&longest, &mut bytes).unwrap();
        assert_eq!(bytes.len(), 4 + MAX_BYTES);
        assert!(read_message::<String>(&mut bytes.as_slice()).unwrap() == Some(longest.clone()));
        let too_long = longest + "x";
        assert!(
            matches!(encode(&too_long, &mut bytes), Err(CodecError::TooLong { length }) if length == MAX_BYTES + 1)
        );
    }

    #[test]
    fn what_is_no_message_is_named_and_a_cut_one_is_noticed() {
        let mut bytes = 5u32.to_be_bytes().to_vec();
        bytes.extend(b"\x00hey!");
        let error = read_message::<FromWorker>(&mut bytes.as_slice()).unwrap_err();
        assert!(error.to_string().starts_with(r"the message `\0hey!` can't be read"), "{error}");
        for cut in [2, 4, 6] {
            let error = read_message::<FromWorker>(&mut &bytes[..cut]).unwrap_err();
            assert!(matches!(error, CodecError::Truncated), "{cut} bytes: {error}");
            let mut codec = Messages::<FromWorker, FromWorker>::default();
            let error = codec.decode_eof(&mut bytes[..cut].into()).unwrap_err();
            assert!(matches!(error, CodecError::Truncated), "{cut} bytes: {error}");
        }
    }

    #[test]
    fn bytes_travel_as_they_are_with_the_messages_that_carry_them_and_with_no_other() {
        let mut frame = Vec::new();
        encode(&piece(b"\0raw"), &mut frame).unwrap();
        assert!(frame.ends_with(b"}}\0\0raw"), "{frame:?}");
        assert!(matches!(encode(&piece(&[0; MAX_BYTES]), &mut frame), Err(CodecError::TooLong { .. })));
        let ToWorker::Piece { piece: down, .. } = decode(&body(&to_worker(b"raw\0")).unwrap()).unwrap() else {
            panic!("a piece")
        };
        assert_eq!((down.at, down.bytes.as_slice()), (5, &b"raw\0"[..]), "the other way, too");
        let laden = b"\0\0\0\x0d\"heartbeat\"\0x";
        let error = read_message::<FromWorker>(&mut laden.as_slice()).unwrap_err();
        let words = r#"the message `\"heartbeat\"\0x` can't be read: it carries bytes, and its kind has none"#;
        assert_eq!(error.to_string(), words);
    }

    /// Fails once, then gives what it has.
    struct Disturbed<'a>(Option<ErrorKind>, &'a [u8]);

    impl Read for Disturbed<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.take().map_or_else(|| self.1.read(buffer), |kind| Err(kind.into()))
        }
    }

    #[test]
    fn a_signal_while_a_message_is_read_changes_nothing_and_any_other_error_is_told() {
        let mut bytes = Vec::new();
        encode(&FromWorker::Heartbeat, &mut bytes).unwrap();
        let read = |kind| read_message::<FromWorker>(&mut Disturbed(Some(kind), &bytes));
        assert_eq!(read(ErrorKind::Interrupted).unwrap(), Some(FromWorker::Heartbeat));
        let error = read(ErrorKind::ConnectionReset).unwrap_err();
        assert!(matches!(&error, CodecError::Io(error) if error.kind() == ErrorKind::ConnectionReset), "{error}");
    }
}
