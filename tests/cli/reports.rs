//! What a report says is what `best` says.

use crate::place::Place;
use serde_json::Value;

/// What stands between `start` and `end`, each time.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}

/// Rows of the leaderboard: the trial, and its exact values by the columns that have them.
fn rows(report: &str) -> Vec<(String, Vec<f64>)> {
    let board = between(report, "<table class=\"board\"", "</table>").next().unwrap();
    let row = |row: &str| {
        let (trial, cells) = row.split_once('"').unwrap();
        let cells = cells.replace("class=\"number value\"", "class=\"number\"");
        let values = between(&cells, "class=\"number\" data-value=\"", "\"").map(|value| value.parse().unwrap());
        (trial.to_owned(), values.collect())
    };
    between(board, "data-row=\"", "</tr>").map(row).collect()
}

fn number(row: &Value, name: &str) -> f64 {
    row["metrics"][name].as_f64().unwrap()
}

#[test]
fn a_report_has_the_numbers_of_the_ranking() {
    let place = Place::that_trains();
    place.edit("\"demo\"", "\"demo\"\nseeds = [0, 1, 2]");
    place.edit("[0, \"all\"]", "[135, \"all\"]");
    place.succeed("launch demo.toml");
    place.succeed("report demo -o report.html");
    place.succeed("launch demo.toml --set sweep.name=single --set sweep.seeds=[0]");
    place.succeed("report single -o single.html");
    for (sweep, file) in [("demo", "report.html"), ("single", "single.html")] {
        let (report, best) = (place.read(file), place.json(&format!("best {sweep} --json -n 100")));
        let ranked = best.as_array().unwrap();
        let rows = rows(&report);
        assert_eq!((rows.len(), ranked.len()), (4, 4));
        for ((trial, values), row) in rows.iter().zip(ranked) {
            let first = row.get("trials").map_or(&row["trial"], |trials| &trials[0]["trial"]);
            assert_eq!(first.as_str(), Some(trial.as_str()));
            let objective = row["objective"].as_f64().unwrap();
            assert_eq!(*values, [objective, number(row, "test_accuracy"), number(row, "seconds")], "{row}");
            if let Some(ends) = row["interval"].as_array() {
                let [low, high] = [0, 1].map(|end| ends[end].as_f64().unwrap());
                let digits = |half: f64| (1.0 - half.log10().floor()).clamp(0.0, 3.0) as usize;
                let said = (2..=digits((high - low) / 2.0).max(3)).any(|digits| {
                    report.contains(&format!(">{low:.digits$} to {high:.digits$}<").replace('-', "\u{2212}"))
                });
                assert!(said, "{sweep}: {low} to {high}");
            }
        }
        let tied = ranked.iter().filter(|row| row["tied_with_best"] == true).count();
        let shaded = report.matches("<tr class=\"tied\"").count();
        assert_eq!(shaded, if tied > 1 { tied } else { 0 }, "{sweep}");
        for remark in place.succeed(&format!("best {sweep} -n 100")).stdout.lines().filter(|line| line.ends_with('.'))
        {
            // The first says which is the best, which the page says in its own words.
            let is_answer = remark.trim().starts_with("The best ");
            let escaped = remark.trim().replace('&', "&amp;").replace('<', "&lt;");
            assert!(is_answer || report.contains(&escaped), "{remark}");
        }
        // Nothing is loaded: every address is a place on the page.
        assert!(
            between(&report, "href=\"", "\"").all(|address| address.starts_with('#') || address.starts_with("data:"))
        );
        assert!(!report.contains("src=") && report.matches("<script").count() == 2);
        assert!(report.contains("default-src 'none'; script-src 'sha256-"));
    }
}
