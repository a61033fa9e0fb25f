//! A real browser, told what to do over WebDriver (<https://www.w3.org/TR/webdriver2/>).

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long something may take that has to happen: far longer than it does on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    /// None, with a note, where there is no chromium; with `CI` set that is a failure.
    #[allow(clippy::print_stderr)]
    pub fn open() -> Option<Browser> {
        let started =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut driver) = started else {
            assert!(std::env::var_os("CI").is_none(), "chromedriver is missing: install chromium-driver");
            eprintln!("not run: there is no chromedriver");
            return None;
        };
        let said = BufReader::new(driver.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut ports = said.filter_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        let port = ports.next().expect("chromedriver says where it listens");
        let mut browser = Browser { driver, port, session: String::new() };
        let capabilities = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "goog:chromeOptions": {
                "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1600"]
            },
        });
        let made = browser.ask("POST", "/session", &json!({ "capabilities": { "alwaysMatch": capabilities } }));
        browser.session = made["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {made}")).to_owned();
        Some(browser)
    }

    fn ask(&self, verb: &str, path: &str, body: &Value) -> Value {
        let body = if verb == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (port, length) = (self.port, body.len());
        let head = format!(
            "{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        // It may keep the connection: the answer ends where its length says.
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        serde_json::from_slice::<Value>(&answer).unwrap()["value"].take()
    }

    fn tell(&self, command: &str, body: &Value) -> Value {
        let answer = self.ask("POST", &format!("/session/{}/{command}", self.session), body);
        assert!(answer.get("error").is_none(), "{command} {body}: {answer}");
        answer
    }

    pub fn go(&self, address: &str) {
        self.tell("url", &json!({ "url": address }));
    }

    /// The value of a function's body.
    pub fn run(&self, script: &str) -> Value {
        self.tell("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a function's body hands to its last argument.
    pub fn run_to_end(&self, script: &str) -> Value {
        self.tell("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Asks a command of chromium's own (<https://chromedevtools.github.io/devtools-protocol/>).
    pub fn devtools(&self, command: &str, parameters: &Value) {
        self.tell("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// Presses keys, one after another.
    pub fn press(&self, keys: &[&str]) {
        let press =
            |key: &&str| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        let actions: Vec<Value> = keys.iter().flat_map(press).collect();
        self.tell("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Presses the pointer at one place of the window, draws it to another, and lets go.
    pub fn drag(&self, from: (f64, f64), to: (f64, f64)) {
        let place =
            |(x, y): (f64, f64)| json!({ "type": "pointerMove", "x": x as i64, "y": y as i64, "duration": 0 });
        let actions = json!([
            place(from), { "type": "pointerDown", "button": 0 }, place(to), { "type": "pointerUp", "button": 0 },
        ]);
        let pointer =
            json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": actions });
        self.tell("actions", &json!({ "actions": [pointer] }));
    }

    /// Looks again and again until the value of a function's body is true.
    pub fn wait_until(&self, script: &str) {
        let started = Instant::now();
        while self.run(script) != json!(true) {
            assert!(started.elapsed() < PATIENCE, "waited for {script}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.tell("se/log", &json!({ "type": kind })).as_array().unwrap().clone()
    }

    /// What the console has complained about since it was asked last.
    pub fn complaints(&self) -> Vec<String> {
        let severe =
            self.log("browser").into_iter().filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The addresses that were asked for since it was asked last.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.log("performance").into_iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            (message["method"] == "Network.requestWillBeSent")
                .then(|| message["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
        });
        sent.collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
