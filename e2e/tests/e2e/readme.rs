//! The README is the same in English and in Korean.

use std::fs;

use e2e::repository;
use regex_lite::Regex;

const ENGLISH: &str = "README.md";
const KOREAN: &str = "README.ko.md";

struct Readme {
    /// What is not in a code block, line by line; where a block was stands its fence.
    prose: Vec<String>,
    /// The code blocks, with their fences.
    code: Vec<String>,
}

impl Readme {
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
        assert!(!code.is_empty(), "{name} has no code block");
        Self { prose, code }
    }

    fn both() -> (Self, Self) {
        (Self::read(ENGLISH), Self::read(KOREAN))
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

#[test]
fn both_readmes_have_the_same_parts_in_the_same_order() {
    let (english, korean) = Readme::both();
    let (english, korean) = (english.parts(), korean.parts());
    for ((kind, line), (other_kind, other_line)) in english.iter().zip(&korean) {
        assert_eq!(kind, other_kind, "{line}\n{other_line}");
    }
    assert_eq!(english.len(), korean.len());
}

#[test]
fn both_readmes_show_the_same_code() {
    let (english, korean) = Readme::both();
    for (english, korean) in english.code.iter().zip(&korean.code) {
        assert_eq!(english, korean);
    }
    assert_eq!(english.code.len(), korean.code.len());
}

#[test]
fn both_readmes_link_to_the_same_places_and_to_each_other() {
    let (english, korean) = Readme::both();
    let elsewhere = |readme: &Readme, other: &str| -> Vec<String> {
        let targets = readme.targets();
        assert!(targets.iter().any(|target| target == other), "no link to {other}");
        targets.into_iter().filter(|t| t != other && !t.starts_with('#')).collect()
    };
    assert_eq!(elsewhere(&english, KOREAN), elsewhere(&korean, ENGLISH));
}

#[test]
fn links_within_a_readme_lead_to_its_headings() {
    for name in [ENGLISH, KOREAN] {
        let readme = Readme::read(name);
        let anchors: Vec<_> = readme.headings().map(anchor).collect();
        let targets = readme.targets();
        let within: Vec<_> = targets.iter().filter_map(|target| target.strip_prefix('#')).collect();
        assert!(!within.is_empty(), "{name} has no such link");
        for target in within {
            assert!(anchors.iter().any(|a| a == target), "{name} has no heading for #{target}");
        }
    }
}

#[test]
fn tables_of_both_readmes_name_the_same_things() {
    let (english, korean) = Readme::both();
    for (english, korean) in english.rows().zip(korean.rows()) {
        // Of what has a name in code, only the last cell is translated: it says what the thing is.
        if english[0].starts_with('`') && english[0].ends_with('`') {
            assert_eq!(english[..english.len() - 1], korean[..korean.len() - 1]);
        }
    }
}
