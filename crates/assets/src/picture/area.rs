//! The square in the middle of a picture, averaged by area to 32 x 32 pixels, as CIFAR-10's images were made.

use super::SIDE;
use super::decode::Decoded;

/// `[3, SIDE, SIDE]`, upright. A pixel that lies in two cells counts in each by the share of it that lies there.
pub(super) fn averaged(picture: &Decoded) -> Vec<u8> {
    let Decoded { rgb, width, height, turn } = picture;
    let square = *width.min(height);
    // Of an odd rest the smaller half is at the upright picture's left and top.
    let before = |rest: usize, mirrored: bool| if mirrored { rest.div_ceil(2) } else { rest / 2 };
    let (left, top) = (before(width - square, turn.mirrored[0]), before(height - square, turn.mirrored[1]));
    let cells = cells(square);
    // Rows first: [square, SIDE, 3].
    let mut narrow = vec![0.0f64; square * SIDE * 3];
    for row in 0..square {
        let line = &rgb[((top + row) * width + left) * 3..][..square * 3];
        for (column, shares) in cells.iter().enumerate() {
            let out = &mut narrow[(row * SIDE + column) * 3..][..3];
            for &(pixel, share) in shares {
                (0..3).for_each(|channel| out[channel] += share * f64::from(line[pixel * 3 + channel]));
            }
        }
    }
    let mut planes = vec![0; 3 * SIDE * SIDE];
    // Turned when it is small: a copy of the large one would need as much memory again.
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (column, row) = turn.place(x, y, SIDE, SIDE);
            for channel in 0..3 {
                let part = |&(pixel, share): &(usize, f64)| share * narrow[(pixel * SIDE + column) * 3 + channel];
                let value: f64 = cells[row].iter().map(part).sum();
                planes[(channel * SIDE + y) * SIDE + x] = value.round_ties_even() as u8;
            }
        }
    }
    planes
}

/// Which pixels of a side of `square` pixels make up each of the `SIDE` cells, and with what share.
pub(super) fn cells(square: usize) -> Vec<Vec<(usize, f64)>> {
    let width = square as f64 / SIDE as f64;
    let cell = |cell: usize| {
        let (start, end) = (cell * square / SIDE, ((cell + 1) * square).div_ceil(SIDE));
        let (from, to) = (cell as f64 * width, (cell + 1) as f64 * width);
        let share = |pixel: usize| (to.min(pixel as f64 + 1.0) - from.max(pixel as f64)).max(0.0) / width;
        (start..end).map(|pixel| (pixel, share(pixel))).collect()
    };
    (0..SIDE).map(cell).collect()
}
