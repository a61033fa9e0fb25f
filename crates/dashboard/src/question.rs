//! What an address asks for behind its `?`. Parts that nobody knows are passed over.

use frostline_sweep::filter::Filter;
use frostline_view::wrong::Split;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Question {
    /// Conditions as they were written, and as they were understood.
    pub(crate) conditions: Vec<String>,
    pub(crate) filters: Vec<Filter>,
    /// A column, and whether downwards.
    pub(crate) sort: Option<(String, bool)>,
    /// Rows that come before the first one.
    pub(crate) after: usize,
    pub(crate) most: Option<usize>,
    pub(crate) trials: bool,
    /// Beginnings of trials' ids.
    pub(crate) of: Vec<String>,
    /// Which images.
    pub(crate) split: Split,
    /// Name of their class.
    pub(crate) truth: Option<String>,
}

impl Question {
    /// # Errors
    /// A sentence that names what is wrong.
    pub(crate) fn parse(query: &str) -> Result<Question, String> {
        let mut question = Question::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            match &*name {
                "where" => {
                    for condition in value.split(" and ").map(str::trim).filter(|it| !it.is_empty()) {
                        question
                            .filters
                            .push(Filter::parse(condition).map_err(|error| format!("where {condition}: {error}"))?);
                        question.conditions.push(condition.to_owned());
                    }
                }
                "sort" if !value.is_empty() => {
                    let (column, down) = value.strip_prefix('-').map_or((value, false), |column| (column, true));
                    question.sort = Some((column.to_owned(), down));
                }
                "after" => question.after = number("after", value)?,
                "n" => question.most = Some(number("n", value)?),
                "trials" => question.trials = value != "0" && value != "false",
                "of" => question.of.extend(value.split(',').filter(|it| !it.is_empty()).map(str::to_owned)),
                "split" => {
                    question.split =
                        Split::parse(value).ok_or_else(|| format!("split is test or validation, not `{value}`"))?;
                }
                "truth" if !value.is_empty() => question.truth = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(question)
    }

    /// The address' part behind `?` for the same question with another order and place.
    pub(crate) fn with(&self, sort: Option<&str>, after: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for condition in &self.conditions {
            query.append_pair("where", condition);
        }
        if let Some(sort) = sort {
            query.append_pair("sort", sort);
        }
        if after > 0 {
            query.append_pair("after", &after.to_string());
        }
        let query = query.finish();
        if query.is_empty() { String::new() } else { format!("?{query}") }
    }

    /// The order as it is written.
    pub(crate) fn order(&self) -> Option<String> {
        self.sort.as_ref().map(|(column, down)| format!("{}{column}", if *down { "-" } else { "" }))
    }
}

fn number(name: &str, value: &str) -> Result<usize, String> {
    value.parse().map_err(|_| format!("{name} must be a whole number, not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_orders_and_places_are_read_and_written() {
        let question =
            Question::parse("where=frozen_layers%3D135+and+seed=1&where=optimizer%3Dadam&sort=-seconds&after=50&x=1")
                .unwrap();
        assert_eq!(question.conditions, ["frozen_layers=135", "seed=1", "optimizer=adam"]);
        assert_eq!((question.sort.clone(), question.after), (Some(("seconds".to_owned(), true)), 50));
        let again = question.with(question.order().as_deref(), 100);
        assert_eq!(again, "?where=frozen_layers%3D135&where=seed%3D1&where=optimizer%3Dadam&sort=-seconds&after=100");
        assert_eq!(Question::parse("").unwrap().with(None, 0), "");
        assert_eq!(Question::parse("of=ab12,cd34&of=ef").unwrap().of, ["ab12", "cd34", "ef"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(Question::parse("after=-1").unwrap_err(), "after must be a whole number, not `-1`");
        assert_eq!(Question::parse("split=train").unwrap_err(), "split is test or validation, not `train`");
        let error = Question::parse("where=optimiser%3Dadam").unwrap_err();
        assert!(
            error.starts_with("where optimiser=adam: no hyperparameter or metric is called `optimiser`"),
            "{error}"
        );
    }
}
