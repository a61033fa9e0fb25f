//! Why there is no answer.

use frostline_store::StoreError;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ViewError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the database ranks `{sweep}` by the unknown metric `{metric}`")]
    UnknownMetric { sweep: String, metric: String },
    #[error("`{sweep}` has no effects: {reason}")]
    NoEffects { sweep: String, reason: String },
    #[error(
        "effects of trials that were chosen by their `{name}` would be effects of the choice: name hyperparameters only"
    )]
    ByResult { name: &'static str },
}
