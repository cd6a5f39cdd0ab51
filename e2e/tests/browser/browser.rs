//! One browser window for one test.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use e2e::Server;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{
    ChromeCapabilities, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel,
};
use tokio::runtime::{self, Runtime};

/// How long anything may take before a test gives up. Far more than it takes, so that a busy machine does not matter.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the browser is asked for.
#[derive(Clone, Copy)]
pub struct Wishes {
    /// The user's languages, the best one first.
    pub languages: &'static str,
    /// `light` or `dark`.
    pub scheme: &'static str,
    /// Width and height of a phone's screen; none is a desktop.
    pub phone: Option<(u32, u32)>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { languages: "en-US,en", scheme: "light", phone: None }
    }
}

/// A window with the page, and a session that nobody else uses. Closed when dropped.
pub struct Browser {
    // In this order: the window is closed before its driver ends and its profile goes.
    driver: WebDriver,
    runtime: Runtime,
    _process: Process,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Left to itself the driver would do this in a runtime of its own, where its connection does not work.
        let _ = self.runtime.block_on(self.driver.clone().quit());
    }
}

/// A process that is killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts ChromeDriver on a free port, and tells its address.
fn start_driver() -> (Process, String) {
    let child = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
    let mut process = Process(child.expect("chromedriver is on PATH"));
    let lines = BufReader::new(process.0.stdout.take().expect("piped")).lines();
    let mut lines = lines.map_while(Result::ok);
    let port = lines.find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    thread::spawn(move || lines.for_each(drop));
    (process, format!("http://127.0.0.1:{}", port.expect("chromedriver tells its port")))
}

fn capabilities(profile: &Path, wishes: Wishes) -> ChromeCapabilities {
    let mut capabilities = DesiredCapabilities::chrome();
    let profile = format!("--user-data-dir={}", profile.display());
    for argument in [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--force-color-profile=srgb",
        "--hide-scrollbars",
        "--window-size=1000,1180",
        // Nothing of its own over the network.
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        &profile,
    ] {
        capabilities.add_arg(argument).unwrap();
    }
    // The driver looks for it in places of its own.
    let path = env::var_os("PATH").unwrap_or_default();
    let programs = env::split_paths(&path).map(|folder| folder.join("chromium"));
    let program = programs.into_iter().find(|program| program.is_file());
    let program = program.expect("chromium is on PATH");
    capabilities.set_binary(program.to_str().expect("text")).unwrap();
    let preferences = json!({ "intl.accept_languages": wishes.languages });
    capabilities.add_experimental_option("prefs", preferences).unwrap();
    capabilities.set_logging_prefs("browser", LoggingPrefsLogLevel::All).unwrap();
    capabilities
}

impl Browser {
    /// A window with the page of `server`, its todos shown.
    pub fn open(server: &Server) -> Self {
        Self::open_with(server, Wishes::default())
    }

    /// The same for another user.
    pub fn open_with(server: &Server, wishes: Wishes) -> Self {
        let browser = Self::blank(wishes);
        browser.go_to(server);
        browser.wait_for("document.querySelector('#filter b').textContent");
        browser
    }

    /// A window with nothing in it yet.
    pub fn blank(wishes: Wishes) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let (process, address) = start_driver();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let capabilities = capabilities(profile.path(), wishes);
        let driver = runtime.block_on(WebDriver::new(address, capabilities)).unwrap();
        let browser = Self { driver, runtime, _process: process, _profile: profile };
        let scheme = json!([{ "name": "prefers-color-scheme", "value": wishes.scheme }]);
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": scheme }));
        if let Some((width, height)) = wishes.phone {
            let screen = json!({
                "width": width, "height": height, "deviceScaleFactor": 2, "mobile": true
            });
            browser.devtools("Emulation.setDeviceMetricsOverride", screen);
        }
        browser
    }

    /// Loads the page.
    pub fn go_to(&self, server: &Server) {
        self.go_to_address(server.address());
    }

    /// Loads the page of somebody else's server.
    pub fn go_to_address(&self, address: SocketAddr) {
        self.runtime.block_on(self.driver.goto(format!("http://{address}/"))).unwrap();
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.runtime.block_on(self.driver.refresh()).unwrap();
        self.wait_for("document.querySelector('#filter b').textContent");
    }

    /// A command of Chromium's own protocol.
    pub fn devtools(&self, method: &str, parameters: Value) {
        self.runtime.block_on(self.driver.cdp().send_raw(method, parameters)).unwrap();
    }

    /// Runs the body of a function in the page; gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        let result = self.runtime.block_on(self.driver.execute(script, Vec::new()));
        result.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// The value of an expression in the page.
    pub fn value(&self, expression: &str) -> Value {
        self.run(&format!("return ({expression});"))
    }

    /// The text of an expression in the page.
    pub fn text(&self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// Waits until an expression in the page is true.
    pub fn wait_for(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(&format!("!!({expression})")) != true {
            if Instant::now() > deadline {
                let page = self.value("document.body?.innerText");
                panic!("still waiting for {expression}\n--- the page ---\n{page}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the list has these titles, the first one on top.
    pub fn wait_for_titles(&self, titles: &[&str]) {
        let titles = json!(titles);
        self.wait_for(&format!(
            "JSON.stringify([...document.querySelectorAll('li label:not(.editor label)')]\
             .map((label) => label.textContent)) === JSON.stringify({titles})"
        ));
    }

    fn element(&self, selector: &str) -> WebElement {
        self.wait_for(&format!("document.querySelector({})?.checkVisibility()", json!(selector)));
        self.runtime.block_on(self.driver.find(By::Css(selector))).unwrap()
    }

    /// Clicks what is at this selector, as soon as it can be seen.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.runtime.block_on(element.click()).unwrap();
    }

    /// Types into what is at this selector.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.runtime.block_on(element.send_keys(text)).unwrap();
    }

    /// Types over what is at this selector.
    pub fn replace(&self, selector: &str, text: &str) {
        let keys = Key::Control + "a";
        let element = self.element(selector);
        self.runtime.block_on(element.send_keys(keys)).unwrap();
        self.type_into(selector, text);
    }

    /// Presses keys wherever the focus is.
    pub fn press(&self, keys: impl Into<TypingData>) {
        let element = self.runtime.block_on(self.driver.active_element()).unwrap();
        self.runtime.block_on(element.send_keys(keys)).unwrap();
    }

    /// Adds a todo as a user does.
    pub fn add(&self, title: &str) {
        self.type_into("#add input", title);
        self.click("#add button");
        self.wait_for(&format!(
            "[...document.querySelectorAll('li label')].some((l) => l.textContent === {})",
            json!(title)
        ));
    }

    /// Writes a picture of the window, if pictures are asked for.
    pub fn picture(&self, name: &str) {
        let Some(folder) = env::var_os("SCREENSHOTS") else { return };
        let folder = e2e::repository().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        // Without the cursor, which blinks.
        self.run("document.activeElement?.blur(); scrollTo(0, 0);");
        let path = folder.join(name).with_extension("png");
        self.runtime.block_on(self.driver.screenshot(&path)).unwrap();
    }

    /// Fails if the console has an error or a warning that contains none of the `expected`, or the page has loaded anything from
    /// elsewhere.
    pub fn assert_clean(&self, expected: &[&str]) {
        let origin = self.text("location.origin");
        let loaded = self.value("performance.getEntriesByType('resource').map((e) => e.name)");
        for address in loaded.as_array().unwrap() {
            let address = address.as_str().unwrap();
            let is_own = address.strip_prefix(&origin).is_some_and(|path| path.starts_with('/'));
            assert!(is_own || address.starts_with("data:"), "{address}");
        }
        for entry in self.runtime.block_on(self.driver.browser_log()).unwrap() {
            let is_expected = expected.iter().any(|text| entry.message.contains(text));
            let is_harmless = !["SEVERE", "WARNING"].contains(&entry.level.as_str());
            assert!(is_expected || is_harmless, "console: {} {}", entry.level, entry.message);
        }
    }
}
