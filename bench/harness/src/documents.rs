//! The results as the documents show them.

use std::fs;

use crate::Failure;
use crate::settings::repository;

/// What stands around the results.
const BEGIN: &str = "<!-- results -->\n";
const END: &str = "<!-- end of results -->\n";

/// The documents, each with the picture's description and address.
const DOCUMENTS: [(&str, &str, &str); 2] = [
    (
        "docs/performance.md",
        "Processor time per request: WasmEdge, native and peer",
        "images/performance.svg",
    ),
    (
        "docs/ko/performance.md",
        "요청당 프로세서 시간: WasmEdge, 네이티브, 상대",
        "../images/performance.svg",
    ),
];

/// Puts `results` and the picture, if there is one, into the documents.
///
/// # Errors
/// A document is not there, or has no place for them.
pub fn update(results: &str, picture: Option<&str>) -> Result<(), Failure> {
    for (name, description, address) in DOCUMENTS {
        let path = repository().join(name);
        let image = picture.map(|_| format!("![{description}]({address})\n\n"));
        let new = format!("{}{results}", image.unwrap_or_default());
        let text = replaced(&fs::read_to_string(&path)?, &new);
        fs::write(&path, text.ok_or_else(|| format!("{name} has no place for results"))?)?;
    }
    if let Some(picture) = picture {
        fs::write(repository().join("docs/images/performance.svg"), picture)?;
    }
    Ok(())
}

fn replaced(text: &str, results: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n\n{END}{after}", results.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_take_the_place_of_those_before() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        let once = replaced(&text, "new\n\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n\n{END}b\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert_eq!(replaced("a\n", "new"), None);
    }

    #[test]
    fn the_documents_have_a_place_for_results() {
        for (name, _, _) in DOCUMENTS {
            let text = fs::read_to_string(repository().join(name)).unwrap();
            assert!(replaced(&text, "").is_some(), "{name}");
        }
    }
}
