//! The pages in chromium: what their script does, what they ask for, and whether everybody can use them.

// clippy.toml allows it in tests, which does not cover the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "../server/browser.rs"]
#[allow(dead_code)]
mod browser;
mod driver;
#[path = "../server/made.rs"]
#[allow(dead_code)]
mod made;

use browser::Server;
use driver::Browser;
use frostline_view::page::{Wanted, read};
use made::Made;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

fn address(server: &Server, place: &str) -> String {
    format!("http://{}{place}", server.address)
}

/// The browser, past the printed link.
fn welcomed(server: &Server) -> Option<Browser> {
    let browser = Browser::open()?;
    browser.go(&address(server, &format!("/?token={}", server.token)));
    assert_eq!(browser.run("return location.pathname + location.search"), "/");
    Some(browser)
}

/// The rows of the leaderboard that are shown.
fn shown(browser: &Browser) -> Vec<String> {
    let rows = browser.run("return [...document.querySelectorAll('tr[data-row]')].filter((row) => !row.hidden).map((row) => row.dataset.row)");
    rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap().to_owned()).collect()
}

fn report(made: &Made) -> PathBuf {
    let page = read(&made.reader(), "made", Wanted { rows: 1000, curves: 50, trials: 3, effects_of: 100 }).unwrap();
    let classes: Vec<String> = ["cat", "dog"].map(str::to_owned).into();
    let file = made.folder.path().join("report.html");
    let text = frostline_report::page::report(&page, &vec![classes; page.trials.len()], "Frostline test");
    std::fs::write(&file, text).unwrap();
    file
}

fn file_address(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[test]
fn the_leaderboard_sorts_and_narrows_and_a_brush_narrows_it_too() {
    let made = Made::new();
    let Some(browser) = Browser::open() else { return };
    browser.go(&file_address(&report(&made)));
    let ranked = shown(&browser);
    assert_eq!(ranked.len(), 6);
    let sort = |column: &str| {
        let find =
            "[...document.querySelectorAll('table.board thead button')].find((it) => it.textContent === arguments_)";
        browser.run(&format!("const arguments_ = {}; {find}.click()", json!(column)));
        browser.run("return document.querySelector('th[aria-sort]:not([aria-sort=none])').getAttribute('aria-sort')")
    };
    assert_eq!(sort("time"), "ascending");
    let fast = shown(&browser);
    assert_eq!(sort("time"), "descending");
    assert_ne!(shown(&browser), fast);
    sort("#");
    assert_eq!(shown(&browser), ranked);
    browser.run(
        "const it = document.getElementById('filter'); it.value = '151 256'; it.dispatchEvent(new Event('input'))",
    );
    assert_eq!(shown(&browser).len(), 1);
    assert_eq!(browser.run("return document.getElementById('matching').textContent"), "1 of 6 rows");
    browser.run("const it = document.getElementById('filter'); it.value = ''; it.dispatchEvent(new Event('input'))");

    // The upper half of the first axis: 151 and 135 of 91, 135, 151.
    let rail = browser.run(
        "document.getElementById('parallel').scrollIntoView({ block: 'center', behavior: 'instant' });
        const box = document.querySelector('.parallel .touch').getBoundingClientRect();
        return [box.left + box.width / 2, box.top + 6, box.top + box.height / 2]",
    );
    let [x, top, middle] = [0, 1, 2].map(|place: usize| rail[place].as_f64().unwrap());
    browser.drag((x, top - 2.0), (x, middle));
    assert_eq!(shown(&browser).len(), 4);
    assert_eq!(browser.run("return document.querySelectorAll('.parallel .row.in').length"), 4);
    // A field does the same without a pointer.
    browser.run(
        "const it = document.querySelector('.fields input'); it.value = '140'; it.dispatchEvent(new Event('change'))",
    );
    assert_eq!(shown(&browser).len(), 2);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_report_from_disk_asks_for_nothing() {
    let made = Made::new();
    let Some(browser) = Browser::open() else { return };
    let file = file_address(&report(&made));
    browser.requests();
    browser.go(&file);
    let asked: Vec<String> = browser.requests().into_iter().filter(|asked| !asked.starts_with("data:")).collect();
    assert_eq!(asked, [file]);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // The theme is chosen by its buttons.
    browser.run("document.querySelector('#theme button[value=dark]').click()");
    assert_eq!(browser.run("return getComputedStyle(document.documentElement).backgroundColor"), "rgb(14, 21, 27)");
    browser.run("document.querySelector('#theme button[value=light]').click()");
    assert_eq!(
        browser.run("return getComputedStyle(document.documentElement).backgroundColor"),
        "rgb(247, 249, 251)"
    );
}

#[test]
fn an_address_restores_its_view_and_nothing_is_asked_of_others() {
    let made = Made::new();
    let server = made.server();
    let Some(browser) = welcomed(&server) else { return };
    browser.requests();
    for (place, rows) in
        [("/s/made", 6), ("/s/made/trials?where=frozen_layers%3D135&sort=-seconds", 2), ("/s/made/all", 6)]
    {
        browser.go(&address(&server, place));
        assert_eq!(shown(&browser).len(), rows, "{place}");
    }
    browser.go(&address(&server, "/s/made/trials?where=frozen_layers%3D135"));
    assert_eq!(browser.run("return document.getElementById('where').value"), "frozen_layers=135");
    browser.go(&address(&server, &format!("/t/{}", made.trials[12].id)));
    let told = browser.run("return document.querySelector('.problem').textContent");
    assert_eq!(told, format!("diverged: {}", made::ODD));
    assert_eq!(browser.run("return document.querySelectorAll('main script').length"), 0);
    let here = address(&server, "");
    let foreign: Vec<String> = browser.requests().into_iter().filter(|asked| !asked.starts_with(&here)).collect();
    assert_eq!(foreign, Vec::<String>::new());
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_page_follows_a_sweep_that_goes_on() {
    let mut made = Made::new();
    let server = made.server();
    let Some(browser) = welcomed(&server) else { return };
    browser.go(&address(&server, "/s/made"));
    let state = "document.querySelector('header .state').textContent.includes";
    browser.wait_until(&format!("return {state}('12 of 14 done')"));
    assert_eq!(shown(&browser).len(), 6);
    made.go_on();
    browser.wait_until(&format!("return {state}('13 of 14 done')"));
    assert_eq!(shown(&browser).len(), 7, "the new configuration is in the leaderboard");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// The first thing that the keyboard reaches leads past everything else; every column's name can be reached and used.
#[test]
fn the_keyboard_is_enough() {
    let made = Made::new();
    let Some(browser) = Browser::open() else { return };
    browser.go(&file_address(&report(&made)));
    let focused = || browser.run("return document.activeElement.textContent.trim()");
    browser.press(&[TAB]);
    assert_eq!(focused(), "Skip to the content");
    browser.press(&[ENTER]);
    assert_eq!(browser.run("return location.hash"), "#main");
    for _ in 0..40 {
        if focused() == "time" {
            break;
        }
        browser.press(&[TAB]);
    }
    assert_eq!(focused(), "time");
    browser.press(&[ENTER]);
    assert_eq!(browser.run("return document.activeElement.closest('th').getAttribute('aria-sort')"), "ascending");
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle");
    assert_ne!(outline, "none", "one sees where one is");
}

/// axe's own file; none, with a note, where it was not fetched. With `CI` set that is a failure.
#[allow(clippy::print_stderr)]
fn axe() -> Option<String> {
    let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/axe-core/axe.min.js");
    let file = std::env::var_os("FROSTLINE_AXE").map_or(there, PathBuf::from);
    let found = std::fs::read_to_string(&file).ok();
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing: .ci/run fetches it", file.display());
        eprintln!("not run: there is no {}", file.display());
    }
    found
}

#[test]
fn axe_finds_nothing_on_any_page_in_light_and_dark_and_narrow() {
    let made = Made::new();
    let server = made.server();
    let Some(axe) = axe() else { return };
    let Some(browser) = welcomed(&server) else { return };
    let mut places: Vec<String> =
        ["/", "/s/made", "/s/made/trials", "/s/made/depth", "/s/made/effects", "/s/made/cost", "/s/made/all"]
            .map(|place| address(&server, place))
            .into();
    places.push(address(&server, &format!("/t/{}", made.trials[12].id)));
    places.push(address(&server, &format!("/compare?of={},{}", made.trials[0].id, made.trials[4].id)));
    places.push(file_address(&report(&made)));
    let mut found = Vec::new();
    for place in &places {
        for (scheme, width) in [("light", 1280u64), ("dark", 1280), ("light", 400)] {
            let screen = json!({ "width": width, "height": 1600, "deviceScaleFactor": 1, "mobile": false });
            browser.devtools("Emulation.setDeviceMetricsOverride", &screen);
            let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.devtools("Emulation.setEmulatedMedia", &feature);
            browser.go(place);
            let across = browser.run("return document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(across <= width, "{place} is {across} pixels wide on {width}");
            browser.run("document.querySelectorAll('details').forEach((it) => (it.open = true))");
            browser.run(&format!("{axe}; return typeof axe"));
            let violations = browser.run_to_end("axe.run().then((it) => arguments[0](it.violations))");
            for violation in violations.as_array().unwrap() {
                let nodes: Vec<&Value> =
                    violation["nodes"].as_array().unwrap().iter().map(|node| &node["html"]).take(3).collect();
                found.push(format!("{place} {scheme} {width}: {} {nodes:?}", violation["help"]));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
