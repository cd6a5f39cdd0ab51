//! The web page in a real browser, served by the real module under the real runtime.
//!
//! `make test-browser` runs these tests: they need `chromium` and `chromedriver` on `PATH`, and in `AXE` the path of axe-core's
//! script. Where `SCREENSHOTS` names a folder, pictures of the page are written there.

mod access;
mod accessibility;
mod browser;
mod conflicts;
mod keyboard;
mod languages;
mod live;
mod looks;
mod offline;
mod origins;
mod safety;
mod todos;
