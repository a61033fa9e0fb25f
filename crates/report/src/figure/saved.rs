//! Time that kept features saved: what the trials would have taken without them, and what they took with them.

use super::frame::{Table, Words, frame, svg};
use crate::number::{Percent, Px, seconds};
use maud::{Markup, html};

/// Seconds of one worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saved {
    /// Estimated: every epoch of every trial computes the frozen layers anew.
    pub without: f64,
    pub fills: f64,
    pub trials: f64,
}

const ROW: f64 = 44.0;
const BAR: f64 = 16.0;

pub fn figure(words: &Words, saved: &Saved) -> Markup {
    let with = saved.fills + saved.trials;
    let longest = saved.without.max(with).max(f64::MIN_POSITIVE);
    let share = |amount: f64| (amount / longest).clamp(0.0, 1.0);
    let rows = [
        ("Without features", "other", 0.0, saved.without),
        ("Computing them", "fill", 0.0, saved.fills),
        ("Trials that start from them", "cost", saved.fills, saved.trials),
    ];
    let drawing = html! {
        @for (place, (name, class, start, amount)) in rows.iter().enumerate() {
            @let top = ROW * place as f64;
            text.label x="0" y=(Px(top + 12.0)) { (name) ": " (seconds(*amount)) }
            rect class=(class) x=(Percent(share(*start))) y=(Px(top + 18.0)) width=(Percent(share(*amount).max(0.002))) height=(Px(BAR)) {}
        }
    };
    let mut table = Table::new(&["part", "seconds of one worker"]);
    for (name, _, _, amount) in rows {
        table.rows.push(vec![name.to_owned(), seconds(amount)]);
    }
    frame(words, svg(words, "bare", (3.0 * ROW) as u32, drawing), &table)
}

/// "Keeping features saved 2 h 08 min: 1 min 41 s instead of 2 h 10 min."
pub fn finding(saved: &Saved) -> String {
    let with = saved.fills + saved.trials;
    match saved.without - with {
        less if less > 0.0 => format!(
            "Keeping features saved {}: {} instead of {} of one worker's time.",
            seconds(less),
            seconds(with),
            seconds(saved.without)
        ),
        _ => format!("Keeping features saved no time here: {} were spent.", seconds(with)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_along_one_scale() {
        let saved = Saved { without: 100.0, fills: 10.0, trials: 30.0 };
        let words = Words { id: "saved".into(), title: "Saved".into(), finding: finding(&saved), note: None };
        assert_eq!(
            words.finding,
            "Keeping features saved 1 min 00 s: 40 s instead of 1 min 40 s of one worker's time."
        );
        let drawn = figure(&words, &saved).0;
        assert!(drawn.contains(r#"x="10%" y="106" width="30%""#), "{drawn}");
        let lost = Saved { without: 1.0, fills: 10.0, trials: 30.0 };
        assert_eq!(finding(&lost), "Keeping features saved no time here: 40 s were spent.");
    }
}
