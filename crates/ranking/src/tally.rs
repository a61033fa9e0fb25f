//! How often each image was counted: by seeds that got it right, or by draws that took it.

use frostline_sweep::bits::Bits;

/// A small whole number for each image, written as binary digits: one set of bits for each digit, the lowest first, in
/// which image `i` is bit `i % 64` of word `i / 64`. Sums over images are then a few instructions for 64 of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    digits: Vec<Vec<u64>>,
}

impl Tally {
    /// How many of `sets`, all of one size, have each image right.
    pub(crate) fn of_sets(sets: &[&Bits]) -> Tally {
        let mut digits: Vec<Vec<u64>> = Vec::new();
        for bits in sets {
            let mut carry = bits.words().to_vec();
            for digit in &mut digits {
                for (digit, carry) in digit.iter_mut().zip(&mut carry) {
                    (*digit, *carry) = (*digit ^ *carry, *digit & *carry);
                }
            }
            if carry.iter().any(|word| *word != 0) {
                digits.push(carry);
            }
        }
        Tally { digits }
    }

    /// Becomes these counts, one an image.
    pub(crate) fn set(&mut self, counts: &[u8]) {
        let largest = counts.iter().copied().max().unwrap_or(0);
        self.digits.resize((u8::BITS - largest.leading_zeros()) as usize, Vec::new());
        for (digit, words) in self.digits.iter_mut().enumerate() {
            words.clear();
            words.extend(counts.chunks(64).map(|counts| {
                let bit = |(place, count): (usize, &u8)| u64::from(count >> digit & 1) << place;
                counts.iter().enumerate().map(bit).fold(0, |word, bit| word | bit)
            }));
        }
    }

    /// Of the first `images` of them.
    pub(crate) fn counts(&self, images: usize) -> impl Iterator<Item = u64> {
        (0..images).map(|image| {
            let bit = |words: &Vec<u64>| words[image / 64] >> (image % 64) & 1;
            self.digits.iter().rev().fold(0, |count, words| count << 1 | bit(words))
        })
    }

    /// The sum over the images of this count times the other one.
    pub(crate) fn times(&self, other: &Tally) -> u64 {
        let mut sum = 0;
        for (digit, words) in self.digits.iter().enumerate() {
            for (other_digit, others) in other.digits.iter().enumerate() {
                sum += both(words, others) << (digit + other_digit);
            }
        }
        sum
    }
}

fn both(words: &[u64], others: &[u64]) -> u64 {
    words.iter().zip(others).map(|(one, other)| u64::from((one & other).count_ones())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_counts() {
        let sets: Vec<Bits> = (1..=9).map(|seed| (0..130).map(|image| image * seed % 7 < 4).collect()).collect();
        let count = |image: usize| sets.iter().filter(|bits| bits.right(image)).count() as u64;
        let by_sets = Tally::of_sets(&sets.iter().collect::<Vec<_>>());
        let counts: Vec<u8> = (0..130).map(|image| (image * image % 11) as u8).collect();
        let mut by_counts = Tally::default();
        // What was there before leaves nothing behind.
        by_counts.set(&[255; 130]);
        by_counts.set(&counts);
        let expected: u64 = (0..130).map(|image| count(image) * u64::from(counts[image])).sum();
        assert_eq!((by_sets.times(&by_counts), by_counts.times(&by_sets)), (expected, expected));
        assert_eq!(by_sets.times(&by_sets), (0..130).map(|image| count(image).pow(2)).sum::<u64>());
        assert!(by_sets.counts(130).eq((0..130).map(count)));
        assert_eq!(Tally::default().times(&by_sets), 0);
    }
}
