//! Settings, secrets from files, and the command line: lines `NAME=VALUE`; behind an empty line what files hold, and
//! behind another one arguments.

#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use todo::cli::Command;
use todo::config::{Config, SETTINGS};

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, "\n\n");
    let (settings, file) = (parts.next().unwrap_or_default(), parts.next());
    let value = |name: &str| {
        let mut pairs = settings.lines().filter_map(|line| line.split_once('='));
        pairs.rfind(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    let read = |_: &str| file.map(str::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into());
    match Config::from_lookup(value, read) {
        Ok(config) => {
            let shown = format!("{config:?}");
            // A word this long is there only if it was taken from the secret.
            if let Some(secret) = &config.api_token {
                assert!((16..=512).contains(&secret.0.len()));
                assert_eq!(shown.matches(&secret.0).count(), 0, "{shown}");
            }
            assert!(config.max_body_bytes <= config.max_buffer_bytes);
            assert!((8_192..=1_048_576).contains(&config.max_head_bytes));
            assert!((1..=65_536).contains(&config.max_connections));
            config.rules();
            config.request_limits();
            // The same settings are the same settings.
            assert_eq!(Config::from_lookup(value, read), Ok(config));
        }
        Err(error) => {
            for line in error.to_string().lines() {
                let named = SETTINGS.iter().find(|setting| {
                    let rest = line.strip_prefix(setting.name);
                    rest.is_some_and(|rest| rest.starts_with([' ', '=']))
                });
                let setting = named.unwrap_or_else(|| panic!("{line:?} names no setting"));
                assert!(setting.name != "API_TOKEN" || line.starts_with("API_TOKEN is not"));
            }
        }
    }
    let arguments = parts.next().into_iter().flat_map(str::lines).map(Into::into);
    if let Err(error) = Command::parse(arguments) {
        assert!(!error.to_string().contains('\n'));
    }
});
