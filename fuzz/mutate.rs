//! Changes to inputs, drawn from a seed, as a fuzzer makes them: bits, bytes, lengths, pieces of other inputs.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Values at which lengths, counts and signs go wrong.
const NUMBERS: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// What grammars turn on, in the inputs of all targets.
const WORDS: [&str; 16] = [
    "[",
    "]",
    "{",
    "}",
    "\"",
    "\n",
    ",",
    "=",
    "-1",
    "1e999",
    "nan",
    "null",
    "0.5",
    "\u{ffff}",
    "18446744073709551616",
    ".",
];

/// `input` with one to eight changes; `other` lends pieces.
pub fn mutate(rng: &mut ChaCha8Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..rng.random_range(1..=8) {
        let at = rng.random_range(0..=bytes.len());
        let most = (bytes.len() - at).min(16);
        match rng.random_range(0..10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 => bytes.insert(at, rng.random()),
            3 => drop(bytes.drain(at..at + rng.random_range(0..=most))),
            4 => {
                let piece = bytes[at..at + rng.random_range(0..=most)].to_vec();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            5 if !other.is_empty() => {
                let from = rng.random_range(0..other.len());
                let length = rng.random_range(1..=(other.len() - from).min(64));
                bytes.splice(at..at + length.min(most), other[from..from + length].iter().copied());
            }
            6 => overwrite(&mut bytes, at, WORDS[rng.random_range(0..WORDS.len())].as_bytes()),
            7 | 8 => {
                let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
                let width = [1, 2, 4, 8][rng.random_range(0..4)];
                let mut number = number.to_le_bytes()[..width].to_vec();
                if rng.random_bool(0.5) {
                    number.reverse();
                }
                overwrite(&mut bytes, at, &number);
            }
            9 if rng.random_bool(0.2) => bytes.truncate(at),
            _ => {}
        }
    }
    bytes
}

fn overwrite(bytes: &mut Vec<u8>, at: usize, with: &[u8]) {
    let end = bytes.len().min(at + with.len());
    bytes.splice(at..end, with.iter().copied());
}
