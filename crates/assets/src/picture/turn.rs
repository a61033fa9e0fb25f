//! How a picture lies in its file, and how it becomes upright.

use image::metadata::Orientation;

/// The pixel (x, y) of the upright picture is (x, y) of the file's, exchanged where `swap` says so, and then counted from the
/// other end along the axes that are `mirrored`.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    pub(super) swap: bool,
    pub(super) mirrored: [bool; 2],
}

impl Turn {
    pub(super) fn of(orientation: Orientation) -> Turn {
        let (swap, mirrored) = match orientation {
            Orientation::NoTransforms => (false, [false, false]),
            Orientation::FlipHorizontal => (false, [true, false]),
            Orientation::Rotate180 => (false, [true, true]),
            Orientation::FlipVertical => (false, [false, true]),
            Orientation::Rotate90FlipH => (true, [false, false]),
            Orientation::Rotate90 => (true, [false, true]),
            Orientation::Rotate270FlipH => (true, [true, true]),
            Orientation::Rotate270 => (true, [true, false]),
        };
        Turn { swap, mirrored }
    }

    /// Width and height of the upright picture.
    pub(super) fn size(self, width: usize, height: usize) -> (usize, usize) {
        if self.swap { (height, width) } else { (width, height) }
    }

    /// Where in the file's picture of `width` x `height` the upright picture's pixel (x, y) is.
    pub(super) fn place(self, x: usize, y: usize, width: usize, height: usize) -> (usize, usize) {
        let (x, y) = if self.swap { (y, x) } else { (x, y) };
        let along = |at: usize, size: usize, mirrored: bool| if mirrored { size - 1 - at } else { at };
        (along(x, width, self.mirrored[0]), along(y, height, self.mirrored[1]))
    }
}
