use std::collections::BTreeSet;

use config::Env;
use fleet::FLEET;

use super::document::document;
use super::{given, prometheus};
use crate::configuration::all_settings;
use crate::secrets;

fn text() -> String {
    let settings = all_settings();
    document(&settings, &secrets::needs(&settings).unwrap()).unwrap()
}

/// The lines of one service.
fn block<'a>(text: &'a str, name: &str) -> &'a str {
    let begin = text.find(&format!("\n  {name}:\n")).unwrap_or_else(|| panic!("no service {name}")) + 1;
    let rest = &text[begin..];
    rest.find("\n\n").map_or(rest, |end| &rest[..end])
}

#[test]
fn a_service_joins_by_being_in_the_list() {
    let (text, scraped) = (text(), prometheus());
    for member in FLEET {
        let block = block(&text, member.names.name);
        assert!(block.contains(&format!("command: [{}]", member.names.name)), "{block}");
        assert!(block.contains("<<: *service"), "{block}");
        assert!(block.contains("migrate: { condition: service_completed_successfully }"), "{block}");
        assert!(scraped.contains(&format!("names: [{}]", member.names.name)), "{scraped}");
    }
}

#[test]
fn every_variable_is_a_setting_and_none_holds_a_secret() {
    let (settings, text) = (all_settings(), text());
    let needs = secrets::needs(&settings).unwrap();
    for member in FLEET {
        let given = given(member, &settings, &needs).unwrap();
        let env: Env = given.environment.iter().cloned().collect();
        config::refuse_unknown(&env, &settings).unwrap();
        for secret in settings.iter().filter(|setting| setting.kind == config::Kind::Secret) {
            for name in secret.variables().iter().filter(|name| !name.ends_with("_FILE")) {
                assert!(!text.contains(&format!(" {name}: ")), "{name} is given as text");
            }
        }
    }
}

#[test]
fn a_container_has_no_volume_of_secrets_but_its_own() {
    let text = text();
    for member in FLEET {
        let block = block(&text, member.names.name);
        let mounted: Vec<_> = block.lines().filter(|line| line.contains("- secrets-")).collect();
        let name = member.names.name;
        assert_eq!(mounted, [format!("      - secrets-{name}:/run/secrets/{name}:ro")]);
    }
    assert!(!block(&text, "migrate").contains("secrets-identity"));
}

#[test]
fn every_volume_that_is_mounted_is_declared_and_the_other_way_round() {
    let text = text();
    let (services, declared) = text.split_once("\nvolumes:\n").unwrap();
    let declared: BTreeSet<_> = declared.lines().filter_map(|line| line.trim().strip_suffix(':')).collect();
    let mounted: BTreeSet<_> = services
        .lines()
        .filter_map(|line| line.strip_prefix("      - ")?.split_once(":/").map(|(volume, _)| volume))
        .filter(|volume| {
            !volume.starts_with('.') && volume.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        })
        .collect();
    assert_eq!(mounted, declared);
}
