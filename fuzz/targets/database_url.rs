//! `DATABASE_URL`: whatever it is, the password in it shows nowhere.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::{Corpus, fuzz_target};
use todo_store::{ConnectionOptions, Location};

const PASSWORD: &str = "s3cr3tPassw0rd";
const OPTIONS: ConnectionOptions =
    ConnectionOptions { connections: 1, timeout: Duration::from_secs(1) };

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Put in front of what is in front of the user's name, which is what makes it another kind of URL.
    scheme: Option<&'a str>,
    user: &'a str,
    /// Put around the password.
    around: [&'a str; 2],
    rest: &'a str,
    from_file: Option<&'a str>,
}

fuzz_target!(|input: Input<'_>| -> Corpus {
    let Input { scheme, user, around: [before, behind], rest, from_file } = input;
    // Names, and nothing that ends them: else the password is in another place, which may be shown.
    let ends = |text: &str| text.contains(['@', ':', '/', '?', '#', ',']);
    let scheme = scheme.unwrap_or("postgres://");
    let is_elsewhere =
        [scheme, user, before, behind, rest].into_iter().any(|text| text.contains(PASSWORD));
    let goes_on = scheme.split_once("://").is_some_and(|(_, behind)| !behind.is_empty());
    if goes_on || ends(user) || ends(before) || ends(behind) || is_elsewhere {
        return Corpus::Reject;
    }
    let url = format!("{scheme}{user}:{before}{PASSWORD}{behind}@{rest}");
    let shown = match Location::from_url(&url, from_file, OPTIONS) {
        Ok(location) => {
            assert_eq!(Location::from_url(&url, from_file, OPTIONS), Ok(location.clone()));
            match &location {
                // All of it is a path.
                Location::Redb(path) => {
                    assert_eq!(format!("redb://{}", path.display()), url);
                    return Corpus::Keep;
                }
                _ => format!("{location} {location:?}"),
            }
        }
        Err(reason) => reason,
    };
    assert!(!shown.contains(PASSWORD), "{shown}");
    Corpus::Keep
});
