//! The EfficientNet family as one table, and the layers that follow from it.

/// One member of the family.
#[derive(Debug)]
pub struct Architecture {
    pub name: &'static str,
    layers: u32,
}

static ARCHITECTURES: [Architecture; 2] = [
    Architecture { name: "efficientnet_v2_s", layers: 513 },
    Architecture { name: "efficientnet_lite0", layers: 150 },
];

/// The architecture called `name`.
pub fn find(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|architecture| architecture.name == name)
}

/// Names of all architectures, in the order of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    ARCHITECTURES.iter().map(|architecture| architecture.name)
}

impl Architecture {
    /// How many layers the backbone has, counted as Keras counts `model.layers` without the classifier.
    pub fn layer_count(&self) -> u32 {
        self.layers
    }
}
