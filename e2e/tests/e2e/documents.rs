//! The documents: each is the same in English and in Korean, and what they link to is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::repository;
use regex_lite::Regex;

struct Document {
    /// Its path from the top of the repository.
    name: String,
    /// What is not in a code block, line by line; where a block was stands its fence.
    prose: Vec<String>,
    /// The code blocks, with their fences.
    code: Vec<String>,
}

impl Document {
    fn read(name: &str) -> Self {
        let text = fs::read_to_string(repository().join(name)).unwrap();
        let (mut prose, mut code) = (Vec::new(), Vec::new());
        let mut lines = text.split_inclusive('\n');
        while let Some(line) = lines.next() {
            if line.starts_with("```") {
                let mut block = line.to_owned();
                for line in lines.by_ref() {
                    block += line;
                    if line.trim_end() == "```" {
                        break;
                    }
                }
                assert!(block.ends_with("\n```\n"), "{name} has a code block without an end");
                code.push(block);
            }
            prose.push(line.trim_end().to_owned());
        }
        Self { name: name.to_owned(), prose, code }
    }

    /// Where a link of this document leads to, from the top of the repository.
    fn resolve(&self, target: &str) -> PathBuf {
        let mut path = Path::new(&self.name).parent().unwrap().to_path_buf();
        for part in target.split('/') {
            match part {
                ".." => assert!(path.pop(), "{} links out of the repository: {target}", self.name),
                "." => {}
                part => path.push(part),
            }
        }
        path
    }

    fn headings(&self) -> impl Iterator<Item = &str> {
        self.prose.iter().map(String::as_str).filter(|line| line.starts_with('#'))
    }

    /// The cells of each row of each table.
    fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        self.prose.iter().filter_map(|line| {
            let cells = line.strip_prefix("| ")?.trim_end_matches('|');
            Some(cells.split(" | ").map(str::trim).collect())
        })
    }

    /// Headings, bullets, rows of tables with their number of bars, and code blocks: the kind of each, and its line.
    fn parts(&self) -> Vec<(String, &str)> {
        let kind = |line: &str| {
            if line.starts_with('|') {
                return Some(format!("row with {} bars", line.matches('|').count()));
            }
            let markers = ["# ", "## ", "### ", "#### ", "- ", "```"];
            markers.iter().find(|marker| line.starts_with(**marker)).map(ToString::to_string)
        };
        self.prose.iter().filter_map(|line| Some((kind(line)?, line.as_str()))).collect()
    }

    /// Where links lead and images are, in their order.
    fn targets(&self) -> Vec<String> {
        let target = Regex::new(r#"\]\(([^)\s]+)\)|<img src="([^"]+)""#).unwrap();
        let prose = self.prose.join("\n");
        let found = target.captures_iter(&prose);
        found.map(|c| c.get(1).or(c.get(2)).unwrap().as_str().to_owned()).collect()
    }
}

/// What GitHub makes of a heading for links to it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(repository().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".md")).collect()
}

/// Every document that is there in both languages: English, Korean.
fn pairs() -> Vec<(Document, Document)> {
    let names = names_in("docs/ko");
    assert!(names.len() >= 9, "{names:?}");
    let docs = names.iter().map(|name| (format!("docs/{name}"), format!("docs/ko/{name}")));
    let readme = ("README.md".to_owned(), "README.ko.md".to_owned());
    let pairs = std::iter::once(readme).chain(docs);
    pairs.map(|(english, korean)| (Document::read(&english), Document::read(&korean))).collect()
}

fn all() -> Vec<Document> {
    let folders = ["", "docs/", "docs/ko/", "deploy/kubernetes/"];
    let names = folders.iter().flat_map(|folder| {
        let names = names_in(folder);
        names.into_iter().map(move |name| format!("{folder}{name}"))
    });
    names.map(|name| Document::read(&name)).collect()
}

#[test]
fn both_languages_have_the_same_parts_in_the_same_order() {
    for (english, korean) in pairs() {
        let (parts, other_parts) = (english.parts(), korean.parts());
        for ((kind, line), (other_kind, other_line)) in parts.iter().zip(&other_parts) {
            assert_eq!(kind, other_kind, "{}: {line}\n{other_line}", english.name);
        }
        assert_eq!(parts.len(), other_parts.len(), "{}", english.name);
    }
}

#[test]
fn both_languages_show_the_same_code() {
    for (english, korean) in pairs() {
        assert_eq!(english.code, korean.code, "{}", english.name);
    }
}

#[test]
fn both_languages_link_to_the_same_places_and_to_each_other() {
    for (english, korean) in pairs() {
        let places = |from: &Document, other: &str| {
            let targets = from.targets();
            let paths = targets.iter().filter(|t| !t.starts_with('#')).map(|target| {
                if target.contains("://") {
                    return target.clone();
                }
                let path = from.resolve(target.split('#').next().unwrap_or(target));
                path.to_str().unwrap().to_owned()
            });
            let paths: Vec<_> = paths.collect();
            assert!(paths.iter().any(|path| path == other), "{} has no link to {other}", from.name);
            let common = paths.into_iter().filter(|path| path != other);
            // A Korean document leads to Korean ones.
            common.map(|path| path.replace("docs/ko/", "docs/").replace(".ko.md", ".md")).collect()
        };
        let (to_korean, to_english): (Vec<_>, Vec<_>) =
            (places(&english, &korean.name), places(&korean, &english.name));
        assert_eq!(to_korean, to_english);
    }
}

#[test]
fn what_is_linked_to_is_there() {
    for document in all() {
        for target in document.targets().iter().filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => PathBuf::from(&document.name),
                file => document.resolve(file),
            };
            assert!(repository().join(&path).exists(), "{} links to {target}", document.name);
            if !heading.is_empty() {
                let other = Document::read(path.to_str().unwrap());
                let is_there = other.headings().map(anchor).any(|anchor| anchor == heading);
                assert!(is_there, "{} links to {target}", document.name);
            }
        }
    }
}

#[test]
fn tables_of_both_languages_name_the_same_things() {
    for (english, korean) in pairs() {
        for (row, other) in english.rows().zip(korean.rows()) {
            // Of what has a name in code, only the last cell is translated: it says what the thing is.
            if row[0].starts_with('`') && row[0].ends_with('`') {
                assert_eq!(row[..row.len() - 1], other[..other.len() - 1], "{}", english.name);
            }
        }
    }
}

#[test]
fn readmes_are_short() {
    for name in ["README.md", "README.ko.md"] {
        let lines = fs::read_to_string(repository().join(name)).unwrap().lines().count();
        assert!(lines <= 150, "{name} has {lines} lines");
    }
}
