//! Files of one measurement.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::settings::repository;

/// A folder that is gone when this is dropped.
///
/// It is beside what was built: the system's folder for temporary files may be no disk at all.
pub struct WorkFolder(PathBuf);

impl WorkFolder {
    /// A new folder.
    ///
    /// # Errors
    /// As the system has them.
    pub fn new() -> io::Result<Self> {
        let path = repository().join(format!("target/bench/work.{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// An empty folder in it, whatever was there before.
    ///
    /// # Errors
    /// As the system has them.
    pub fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir(&path)?,
        }
        Ok(path)
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
