//! A folder in memory, and the files behind its names.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::world::{FILE, Fault};
use crate::protocol::{Folder, RELEASED, highest};

pub type Name = String;
/// Which of the processes' writes a file holds, one bit each.
pub type Writes = u8;

/// The folder, and the files behind its names: a process that has a file open keeps it when the name goes.
#[derive(Clone, Debug, Default, Hash)]
pub struct Files {
    pub names: BTreeMap<Name, usize>,
    pub contents: Vec<(Writes, bool)>,
}

/// What one process sees of the folder in one step.
pub struct View<'a> {
    pub files: &'a mut Files,
    pub listing: Option<&'a BTreeSet<Name>>,
    pub fault: Fault,
    pub keeps: &'a str,
}

impl Files {
    pub fn has_lease_above(&self, number: u64) -> bool {
        let names: Vec<_> = self.names.keys().cloned().collect();
        highest(FILE, &names).is_some_and(|highest| highest > number)
    }

    pub fn create(&mut self, name: &str) -> usize {
        self.contents.push((0, false));
        self.names.insert(name.to_owned(), self.contents.len() - 1);
        self.contents.len() - 1
    }
}

impl Folder for View<'_> {
    fn create_new(&mut self, name: &str) -> io::Result<bool> {
        if self.files.names.contains_key(name) {
            return Ok(self.fault == Fault::CreateIsNotExclusive);
        }
        self.files.create(name);
        Ok(true)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.listing.into_iter().flatten().cloned().collect())
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(self.files.names.contains_key(name))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let content = self.files.names.get(name).map(|file| self.files.contents[*file]);
        Ok(content.map(|(_, released)| if released { RELEASED.to_vec() } else { Vec::new() }))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let is_others_copy = name.ends_with(".copy") && name != self.keeps;
        if !(self.fault == Fault::CopiesAreNotRemoved && is_others_copy) {
            self.files.names.remove(name);
        }
        Ok(())
    }
}
