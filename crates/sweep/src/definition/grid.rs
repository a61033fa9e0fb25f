//! The cells of a grid.

use super::types::{Axis, Definition};
use crate::parameters::{self, BACKBONE};
use crate::trial::Parameters;
use serde::Serialize;
use serde_json::Value;
use std::hash::{DefaultHasher, Hasher};

/// What the trials of one cell of the grid share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Which of [`Definition::networks`].
    pub network: usize,
    pub parameters: Parameters,
}

impl Definition {
    /// Every cell that is not excluded: axes in the order of the file, the last one fastest.
    ///
    /// # Errors
    /// A sentence: values that do not fit together.
    pub fn cells(&self) -> Result<Vec<Cell>, String> {
        self.numbered_cells().map(|cell| cell.map(|(_, cell)| cell)).collect()
    }

    /// How many cells are not excluded.
    ///
    /// # Errors
    /// A sentence: values that do not fit together, or two cells that are the same after all.
    pub(super) fn check_cells(&self) -> Result<usize, String> {
        // Two numbers a cell, since there may be a million of them: which are the same shows when they are sorted.
        let mut cells: Vec<(u64, u32)> = Vec::new();
        for cell in self.numbered_cells() {
            let (number, cell) = cell?;
            cells.push((digest(&cell), number as u32));
        }
        cells.sort_unstable();
        let same =
            cells.windows(2).filter(|pair| pair[0].0 == pair[1].0 && self.cell(pair[0].1) == self.cell(pair[1].1));
        match same.map(|pair| (pair[1].1, pair[0].1)).min() {
            None => Ok(cells.len()),
            Some((later, earlier)) => Err(format!(
                "two cells are the same trial: {} and {}; leave one of them out with [[exclude]]",
                self.written(earlier),
                self.written(later)
            )),
        }
    }

    /// How many cells `[[exclude]]` leaves out.
    pub fn excluded(&self) -> usize {
        if self.exclude.is_empty() {
            return 0;
        }
        (0..self.count()).filter(|number| self.is_excluded(&self.chosen(*number))).count()
    }

    fn count(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }

    /// The cells that are not excluded, with their numbers in the whole grid.
    fn numbered_cells(&self) -> impl Iterator<Item = Result<(usize, Cell), String>> {
        let cells = (0..self.count()).map(|number| (number, self.chosen(number)));
        let wanted = cells.filter(|(_, chosen)| !self.is_excluded(chosen));
        wanted.map(|(number, chosen)| Ok((number, self.resolved(&chosen)?)))
    }

    fn is_excluded(&self, chosen: &[Chosen]) -> bool {
        let holds = |(name, values): &(&str, Vec<Value>)| values.contains(self.value(chosen, name));
        self.exclude.iter().any(|exclusion| exclusion.conditions.iter().all(holds))
    }

    fn value<'a>(&'a self, chosen: &[Chosen<'a>], name: &str) -> &'a Value {
        let axis = chosen.iter().find(|(axis, ..)| *axis == name).map(|(_, _, value)| *value);
        axis.or_else(|| self.fixed.get(name)).unwrap_or(&Value::Null)
    }

    fn resolved(&self, chosen: &[Chosen]) -> Result<Cell, String> {
        self.cell_of(|name| self.value(chosen, name))
    }

    fn cell_of<'v>(&self, value: impl Fn(&str) -> &'v Value) -> Result<Cell, String> {
        let backbone = value(BACKBONE);
        let network = self.networks.iter().position(|network| *backbone == network.architecture.name);
        let network = network.ok_or_else(|| format!("there is no network {backbone}"))?;
        Ok(Cell { network, parameters: parameters::resolve(value)? })
    }

    fn cell(&self, number: u32) -> Result<Cell, String> {
        self.resolved(&self.chosen(number as usize))
    }

    /// As in the file: "head_depth = 1, optimizer = adam".
    fn written(&self, number: u32) -> String {
        let chosen = self.chosen(number as usize);
        chosen.iter().map(|(name, written, _)| format!("{name} = {written}")).collect::<Vec<_>>().join(", ")
    }

    /// Each axis' value in the cell of this number.
    fn chosen(&self, mut number: usize) -> Vec<Chosen<'_>> {
        let mut chosen = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            let (written, canonical) = &axis.values[number % axis.values.len()];
            number /= axis.values.len();
            chosen.push((axis.name, written, canonical));
        }
        chosen.reverse();
        chosen
    }

    /// Some cells in which every hyperparameter varies that varies in the sweep: each value of each axis, once with the
    /// first values of the other axes and once with their last. Their number grows with the axes' lengths, not with their
    /// product.
    pub fn corners(&self) -> Vec<Cell> {
        let mut corners = Vec::new();
        for (place, axis) in self.axes.iter().enumerate() {
            for number in 0..axis.values.len() {
                for last in [false, true] {
                    let chosen = |(other, axis): (usize, &Axis)| match other == place {
                        true => number,
                        false if last => axis.values.len() - 1,
                        false => 0,
                    };
                    let numbers: Vec<usize> = self.axes.iter().enumerate().map(chosen).collect();
                    let value = |name: &str| {
                        let place = self.axes.iter().position(|axis| axis.name == name);
                        let axis = place.and_then(|place| self.axes[place].values.get(numbers[place]));
                        let value = axis.map(|(_, canonical)| canonical).or_else(|| self.fixed.get(name));
                        value.unwrap_or(&Value::Null)
                    };
                    // A cell whose values do not fit together is one that `[[exclude]]` leaves out.
                    corners.extend(self.cell_of(value));
                }
            }
        }
        corners
    }
}

/// Name of an axis; its value as written, and in canonical form.
type Chosen<'a> = (&'static str, &'a Value, &'a Value);

/// Of a cell's canonical form: equal cells have equal ones.
fn digest(cell: &Cell) -> u64 {
    struct Into(DefaultHasher);
    impl std::io::Write for Into {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut hasher = Into(DefaultHasher::new());
    serde_json::to_writer(&mut hasher, cell).expect("a cell is plain JSON");
    hasher.0.finish()
}
