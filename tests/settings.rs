//! What is written of the settings elsewhere is what the table says.

use todo::config::SETTINGS;

#[test]
fn the_launcher_hands_on_every_setting() {
    let launcher = include_str!("../scripts/run-wasm.sh");
    let list = launcher.split("SETTINGS=(").nth(1).and_then(|rest| rest.split(')').next());
    let handed_on: Vec<_> = list.unwrap_or_default().split_whitespace().collect();
    assert_eq!(handed_on, SETTINGS.map(|setting| setting.name));
}

#[test]
fn the_documentation_has_every_setting_as_it_is() {
    let rows = SETTINGS.map(|setting| {
        let default = match setting.default {
            "" => "–".to_owned(),
            default => format!("`{default}`"),
        };
        let (name, values, meaning) = (setting.name, setting.kind.values(), setting.meaning);
        format!("| `{name}` | {default} | {values} | {meaning} |")
    });
    let is_row = |line: &&str| {
        SETTINGS.iter().any(|setting| line.starts_with(&format!("| `{}` |", setting.name)))
    };
    let written: Vec<_> = include_str!("../docs/configuration.md").lines().filter(is_row).collect();
    assert_eq!(written, rows);
}
