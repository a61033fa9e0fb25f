//! One tensor of a weights file: its type, its shape, and where its elements lie.

use std::ops::Range;

/// No weights of this family come near it; a header that claims more is damaged or hostile.
pub(super) const MOST_ELEMENTS: u64 = 1 << 31;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ElementType {
    Float64,
    Float32,
    Float16,
    Bfloat16,
    Int64,
    Int32,
    Int16,
    Int8,
    Uint8,
}

impl ElementType {
    /// The type as safetensors and Python call it, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            ElementType::Float64 => "float64",
            ElementType::Float32 => "float32",
            ElementType::Float16 => "float16",
            ElementType::Bfloat16 => "bfloat16",
            ElementType::Int64 => "int64",
            ElementType::Int32 => "int32",
            ElementType::Int16 => "int16",
            ElementType::Int8 => "int8",
            ElementType::Uint8 => "uint8",
        }
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            ElementType::Float64 | ElementType::Int64 => 8,
            ElementType::Float32 | ElementType::Int32 => 4,
            ElementType::Float16 | ElementType::Bfloat16 | ElementType::Int16 => 2,
            ElementType::Int8 | ElementType::Uint8 => 1,
        }
    }

    fn read(self, bytes: &[u8]) -> f32 {
        macro_rules! number {
            ($type:ty) => {
                <$type>::from_le_bytes(bytes.try_into().expect("as many bytes as the type has")) as f32
            };
        }
        match self {
            ElementType::Float64 => number!(f64),
            ElementType::Float32 => number!(f32),
            ElementType::Float16 => half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
            ElementType::Bfloat16 => half::bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
            ElementType::Int64 => number!(i64),
            ElementType::Int32 => number!(i32),
            ElementType::Int16 => number!(i16),
            ElementType::Int8 => number!(i8),
            ElementType::Uint8 => number!(u8),
        }
    }
}

/// The bytes that a tensor's elements are in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Storage {
    /// This part of the file.
    File(Range<usize>),
    /// Unpacked when the file was opened: HDF5's chunks.
    Unpacked(Vec<u8>),
}

/// Where a tensor's elements lie.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) element: ElementType,
    pub(super) shape: Vec<usize>,
    /// In elements.
    pub(super) strides: Vec<usize>,
    /// First element's place in `storage`, in elements.
    pub(super) offset: usize,
    pub(super) storage: Storage,
}

impl Entry {
    /// A tensor in row-major order that fills its storage.
    pub(super) fn dense(element: ElementType, shape: Vec<usize>, storage: Storage) -> Entry {
        // Saturated where it overflows: `fits` refuses such a shape.
        let product = |sizes: &[usize]| sizes.iter().fold(1usize, |product, &size| product.saturating_mul(size));
        let strides = (0..shape.len()).map(|axis| product(&shape[axis + 1..])).collect();
        Entry { element, shape, strides, offset: 0, storage }
    }

    /// Whether every element lies in the storage; None where the numbers overflow.
    pub(super) fn fits(&self) -> Option<bool> {
        let elements = self.shape.iter().try_fold(1u64, |n, &size| n.checked_mul(size as u64))?;
        if elements == 0 {
            return Some(true);
        }
        let axes = self.shape.iter().zip(&self.strides);
        let reach = axes.map(|(&size, &stride)| (size - 1).checked_mul(stride));
        let last = reach.chain([Some(self.offset)]).try_fold(0usize, |sum, part| sum.checked_add(part?))?;
        let end = last.checked_add(1)?.checked_mul(self.element.bytes())?;
        let length = match &self.storage {
            Storage::File(range) => range.len(),
            Storage::Unpacked(bytes) => bytes.len(),
        };
        Some(elements <= MOST_ELEMENTS && end <= length)
    }

    /// The elements with the axes in this order, in row-major order, converted to float32.
    pub(super) fn values(&self, file: &[u8], axes: &[usize]) -> Vec<f32> {
        let storage = match &self.storage {
            Storage::File(range) => &file[range.clone()],
            Storage::Unpacked(bytes) => bytes,
        };
        let width = self.element.bytes();
        let elements: usize = self.shape.iter().product();
        let mut values = Vec::with_capacity(elements);
        // Along the last axis in a plain loop, along the others by counting.
        let (last, outer) = match axes.split_last() {
            Some((&last, outer)) => ((self.shape[last], self.strides[last]), outer),
            None => ((1, 1), axes),
        };
        let mut place = vec![0; outer.len()];
        while values.len() < elements {
            let steps = place.iter().zip(outer).map(|(index, &axis)| index * self.strides[axis]);
            let row = self.offset + steps.sum::<usize>();
            values.extend((0..last.0).map(|index| {
                let start = (row + index * last.1) * width;
                self.element.read(&storage[start..start + width])
            }));
            for (index, &axis) in place.iter_mut().zip(outer).rev() {
                *index += 1;
                if *index < self.shape[axis] {
                    break;
                }
                *index = 0;
            }
        }
        values
    }
}
