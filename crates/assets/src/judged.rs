//! The images that trials are judged by, to be looked at: those of validation and of test, in the order in which it is
//! recorded which of them a trial got right.

use crate::data::{self, DataError, Images};
use crate::division::{Chosen, Division, Pool};
use frostline_sweep::trial::DataSpec;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::path::Path;

/// Copied out of the data set, of which nothing else stays in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    side: usize,
    pub classes: Vec<String>,
    pub validation: Split,
    pub test: Split,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Class of each image.
    pub labels: Vec<u16>,
    /// `[images, 3, side, side]`: red, green and blue planes.
    pixels: Vec<u8>,
}

impl Judged {
    /// The images that `spec` names. `place` is where the data set's files lie.
    ///
    /// # Errors
    /// As of [`data::Source::load`].
    pub fn load(spec: &DataSpec, place: Option<&Path>) -> Result<Judged, DataError> {
        let splits = data::source(spec.dataset).load(spec, place)?;
        let chosen = Chosen::of(&splits, spec);
        let of_train = chosen.train.unwrap_or_else(|| (0..splits.train.labels.len() as u32).collect());
        let of_test = chosen.test.unwrap_or_else(|| (0..splits.test.labels.len() as u32).collect());
        let labels: Vec<u16> = of_train.iter().map(|&image| splits.train.labels[image as usize]).collect();
        let division = Division::of(spec.validation, &labels, chosen.own_validation, of_test.len());
        let (images, pool) = match division.validation_pool {
            Pool::Train => (&splits.train, &of_train),
            Pool::Test => (&splits.test, &of_test),
        };
        let validation: Vec<u32> = division.validation.iter().map(|&place| pool[place as usize]).collect();
        Ok(Judged {
            validation: Split::of(images, &validation, splits.side),
            test: Split::of(&splits.test, &of_test, splits.side),
            side: splits.side,
            classes: splits.class_names,
        })
    }

    /// An image as PNG; none where there is none of this number.
    pub fn png(&self, split: &Split, image: usize) -> Option<Vec<u8>> {
        let area = self.side * self.side;
        let planes = split.pixels.get(3 * area * image..3 * area * (image + 1))?;
        let pixels: Vec<u8> =
            (0..area).flat_map(|place| [planes[place], planes[area + place], planes[2 * area + place]]).collect();
        let (side, mut png) = (self.side as u32, Vec::new());
        PngEncoder::new(&mut png).write_image(&pixels, side, side, ExtendedColorType::Rgb8).ok()?;
        Some(png)
    }
}

impl Split {
    fn of(images: &Images, chosen: &[u32], side: usize) -> Split {
        let size = 3 * side * side;
        let mut pixels = Vec::with_capacity(chosen.len() * size);
        for &image in chosen {
            let row = images.rows.as_ref().map_or(image, |rows| rows[image as usize]) as usize;
            pixels.extend_from_slice(&images.pixels[row * size..(row + 1) * size]);
        }
        Split { labels: chosen.iter().map(|&image| images.labels[image as usize]).collect(), pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::trial::{Augment, Dataset, Validation};

    fn spec(validation: Validation) -> DataSpec {
        DataSpec {
            dataset: Dataset::Shapes,
            digest: data::shapes::digest(),
            validation,
            image_size: 64,
            augment: Augment::None,
            train_limit: Some(100),
            test_limit: Some(20),
            pictures: None,
        }
    }

    #[test]
    fn images_are_those_of_the_data_set() {
        let judged = Judged::load(&spec(Validation::Share(0.2)), None).unwrap();
        assert_eq!((judged.validation.labels.len(), judged.test.labels.len()), (20, 20));
        let all = data::source(Dataset::Shapes).load(&spec(Validation::Test), None).unwrap();
        let png = judged.png(&judged.test, 3).unwrap();
        let shown = image::load_from_memory(&png).unwrap().to_rgb8();
        let side = judged.side;
        assert_eq!((shown.width() as usize, shown.height() as usize), (side, side));
        // It is one of the test images, with its class.
        let planes: Vec<u8> = (0..3).flat_map(|plane| shown.pixels().map(move |pixel| pixel.0[plane])).collect();
        let found = all.test.pixels.chunks(3 * side * side).position(|image| image == planes).unwrap();
        assert_eq!(all.test.labels[found], judged.test.labels[3]);
        assert_eq!(judged.png(&judged.test, 20), None);
    }

    #[test]
    fn where_the_test_images_select_they_are_the_same() {
        let judged = Judged::load(&spec(Validation::Test), None).unwrap();
        assert_eq!(judged.validation, judged.test);
    }
}
