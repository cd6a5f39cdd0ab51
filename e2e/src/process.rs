//! What the kernel tells of a process.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A process of this machine, as `/proc` shows it. Everything here panics once it has ended.
pub struct Process(PathBuf);

impl Process {
    /// The process with this id.
    pub fn new(id: u32) -> Self {
        Self(Path::new("/proc").join(id.to_string()))
    }

    /// A field of its status, such as `CapEff`, with one blank between values.
    pub fn status(&self, field: &str) -> String {
        status_field(&self.read("status"), field)
    }

    /// The names of the variables that it was started with.
    pub fn variables(&self) -> BTreeSet<String> {
        let text = self.read("environ");
        let names = text.split('\0').filter_map(|variable| variable.split_once('='));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    /// What its file descriptors lead to.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.join("fd")).expect("the process is alive");
        // One may be closed meanwhile.
        entries.filter_map(|entry| fs::read_link(entry.expect("an entry").path()).ok()).collect()
    }

    /// The ports of its sockets that listen for TCP.
    pub fn listens_on(&self) -> Vec<u16> {
        let files = self.files();
        let is_own = |inode: &str| files.contains(&PathBuf::from(format!("socket:[{inode}]")));
        let tables = self.read("net/tcp") + &self.read("net/tcp6");
        let rows = tables.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // proc(5): the local address, the state (0A listens) and the inode.
        let own = rows.filter(|row| row[3] == "0A" && is_own(row[9]));
        let port = |row: Vec<&str>| u16::from_str_radix(row[1].rsplit(':').next()?, 16).ok();
        own.map(|row| port(row).expect("a port")).collect()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).expect("the process is alive")
    }
}

/// A field of the text of `/proc/PID/status`, or of another file in that form, with one blank between values.
pub fn status_field(status: &str, field: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.expect("a field").split_whitespace().collect::<Vec<_>>().join(" ")
}
