//! Numbers for one view of one image, from nothing but what it is.

use blake3::OutputReader;

/// A stream of numbers.
pub(super) struct Draw(OutputReader);

impl Draw {
    pub(super) fn new(digest: &str, image: u32, view: u32) -> Draw {
        let mut hasher = blake3::Hasher::new_derive_key("frostline 2026 views of images");
        hasher.update(&image.to_le_bytes());
        hasher.update(&view.to_le_bytes());
        hasher.update(digest.as_bytes());
        Draw(hasher.finalize_xof())
    }

    fn word(&mut self) -> u32 {
        let mut word = [0; 4];
        self.0.fill(&mut word);
        u32::from_le_bytes(word)
    }

    /// A whole number from 0 to below `bound`, which is far below what would make some of them likelier.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(bound)) >> 32) as u32
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    /// From 0 to below 1.
    pub(super) fn share(&mut self) -> f64 {
        f64::from(self.word()) / 4_294_967_296.0
    }
}
