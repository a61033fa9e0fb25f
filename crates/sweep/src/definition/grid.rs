//! The cells of a grid.

use super::types::{Axis, Definition};
use crate::parameters;
use crate::trial::Parameters;
use serde_json::Value;
use std::collections::HashMap;

impl Definition {
    /// The hyperparameters of every cell that is not excluded: axes in the order of the file, the last one fastest.
    ///
    /// # Errors
    /// A sentence: values that do not fit together, or two cells that are the same after all.
    pub fn cells(&self) -> Result<Vec<Parameters>, String> {
        let mut cells = Vec::new();
        let mut seen: HashMap<String, Vec<String>> = HashMap::new();
        let total: usize = self.axes.iter().map(|axis| axis.values.len()).product();
        for number in 0..total {
            let chosen = self.chosen(number);
            let value = |name: &str| {
                let axis = chosen.iter().find(|(axis, ..)| *axis == name).map(|(_, _, value)| (*value).clone());
                axis.or_else(|| self.fixed.get(name).cloned()).unwrap_or(Value::Null)
            };
            let is_excluded = self
                .exclude
                .iter()
                .any(|exclusion| exclusion.conditions.iter().all(|(name, values)| values.contains(&value(name))));
            if is_excluded {
                continue;
            }
            let cell = parameters::resolve(value)?;
            let written: Vec<String> =
                chosen.iter().map(|(name, written, _)| format!("{name} = {written}")).collect();
            let key = serde_json::to_string(&cell).expect("hyperparameters are plain JSON");
            if let Some(earlier) = seen.insert(key, written.clone()) {
                return Err(format!(
                    "two cells are the same trial: {} and {}",
                    earlier.join(", "),
                    written.join(", ")
                ));
            }
            cells.push(cell);
        }
        Ok(cells)
    }

    /// Each axis' value in the cell of this number: name, as written, canonical.
    fn chosen(&self, mut number: usize) -> Vec<(&'static str, &Value, &Value)> {
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
    pub fn corners(&self) -> Vec<Parameters> {
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
                        value.cloned().unwrap_or(Value::Null)
                    };
                    // A cell whose values do not fit together is one that `[[exclude]]` leaves out.
                    corners.extend(parameters::resolve(value));
                }
            }
        }
        corners
    }

    /// How many cells `[[exclude]]` leaves out.
    pub fn excluded(&self) -> usize {
        let total: usize = self.axes.iter().map(|axis| axis.values.len()).product();
        total - self.cells().map_or(0, |cells| cells.len())
    }
}
