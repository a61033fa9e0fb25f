//! How far a JPEG goes, by its marks: ITU-T T.81, annex B.

/// Bytes of a mark.
pub(super) const MARK: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where the mark of its end stands.
    pub(super) end: usize,
    pub(super) scans: usize,
    pub(super) components: u8,
}

/// Goes from segment to segment, so that neither the thumbnail inside nor what follows counts; none where the end is
/// missing.
pub(super) fn extent(bytes: &[u8]) -> Option<Extent> {
    let mut extent = Extent { end: 0, scans: 0, components: 0 };
    let mut at = MARK;
    loop {
        // Bytes that belong nowhere are passed over, as decoders do.
        at += bytes.get(at..)?.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff))?;
        let mark = bytes[at + 1];
        match mark {
            0xd9 => return Some(Extent { end: at, ..extent }),
            // A restart within the scan's data, and marks without a segment.
            0xd0..=0xd8 | 0x01 => at += MARK,
            _ => {
                let segment = bytes.get(at + MARK..)?;
                let length = usize::from(u16::from_be_bytes([*segment.first()?, *segment.get(1)?]));
                match mark {
                    // Precision, height and width stand before it.
                    0xc0..=0xcf if !matches!(mark, 0xc4 | 0xc8 | 0xcc) => extent.components = *segment.get(7)?,
                    0xda => extent.scans += 1,
                    _ => {}
                }
                at += MARK + length.max(2);
            }
        }
    }
}
