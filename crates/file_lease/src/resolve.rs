//! Symbolic links in the place of a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// As many as Linux follows.
const MAX_LINKS: usize = 40;

/// The file that `path` leads to: what a symbolic link at `path` names, if there is one, and so on. So the lease is that of
/// the file itself, whatever name it is used by, and renaming a copy to it leaves the link a link. What is not there leads
/// to itself. (The standard library cannot do this on WASI.)
///
/// # Errors
/// Where links lead to each other in a circle, or the system does not tell.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..=MAX_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.file_type().is_symlink() => {
                let target = fs::read_link(&path)?;
                path = path.parent().unwrap_or(Path::new("")).join(target);
            }
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("symbolic links lead to each other"))
}
