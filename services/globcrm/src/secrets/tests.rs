use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use config::{Env, ExposeSecret, Kind, Setting};

use super::files::Layout;
use super::needs::{self, Need, needs};
use super::resolve::{Kept, resolve};
use super::{Places, address, kubernetes};
use crate::configuration::all_settings;
use crate::programs;
use crate::roles::Role;

fn places() -> Places {
    Places { postgres: "db:5432".into(), rabbitmq: "mq:5672".into(), redis: "cache:6379".into() }
}

fn all() -> Vec<Need> {
    needs(&all_settings()).unwrap()
}

/// The values that are made of nothing.
fn made(env: &Env, kept: &Kept) -> anyhow::Result<BTreeMap<String, String>> {
    let needs = all();
    let secrets = resolve(&needs, env, kept, &places())?;
    Ok(secrets.iter().map(|s| (s.need.name.clone(), s.value.expose_secret().to_owned())).collect())
}

/// A directory of the test's own, removed at its end.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("globcrm-secrets-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }

    fn layout(&self, by_reader: bool) -> Layout {
        Layout { dir: self.0.clone(), by_reader }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn write(layout: &Layout) -> anyhow::Result<usize> {
    let needs = all();
    let secrets = resolve(&needs, &Env::default(), &layout.read(&needs)?, &places())?;
    layout.write(&secrets)
}

fn contents(dir: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all.extend(contents(&entry));
        } else {
            all.insert(entry.display().to_string(), fs::read_to_string(&entry).unwrap());
        }
    }
    all
}

#[test]
fn every_role_starts_with_its_own_directory_of_files_and_the_addresses_of_others() {
    let dir = Scratch::new("roles");
    write(&dir.layout(true)).unwrap();
    let (settings, needs) = (all_settings(), all());
    for role in Role::ALL {
        let own = dir.0.join(role.0.name()).display().to_string();
        let mut variables = needs::file_variables(&needs, role.0.name(), &own);
        for setting in settings.iter().filter(|s| s.role == role.0.upper() && s.required) {
            let value = match setting.kind {
                Kind::Secret => continue,
                Kind::Address => "127.0.0.1:1",
                Kind::Path => "/tmp",
                _ => "http://127.0.0.1:1",
            };
            variables.insert(setting.variables()[0].clone(), value.to_owned());
        }
        if role.0 == fleet::Role::Records {
            // It, or a bucket.
            variables.insert("GLOBCRM_RECORDS_BLOB_DIR".to_owned(), "/tmp".to_owned());
        }
        let env: Env = variables.into_iter().collect();
        config::refuse_unknown(&env, &settings).unwrap();
        if let Err(problems) = (programs::of(role.0).load)(&env) {
            panic!("{}: {problems}", role.0.name());
        }
    }
}

#[test]
fn a_reader_gets_what_it_reads_and_no_more() {
    let readers_of = |name: &str| all().into_iter().find(|need| need.name == name).unwrap().readers;
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(readers_of("GLOBCRM_IDENTITY_SIGNING_KEY"), of(&["identity"]));
    assert_eq!(readers_of("GLOBCRM_MIGRATE_ADMIN_URL"), of(&["migrate"]));
    assert_eq!(readers_of("GLOBCRM_RECORDS_DATABASE_URL"), of(&["migrate", "records"]));
    assert_eq!(readers_of("GLOBCRM_FLEET_REDIS_URL"), of(&["gateway"]));
    assert_eq!(readers_of("redis.conf"), of(&["redis"]));
    assert!(!readers_of("GLOBCRM_FLEET_AMQP_URL").contains("gateway"));
}

#[test]
fn both_sides_of_a_secret_are_the_same_and_all_others_differ() {
    let values = made(&Env::default(), &Kept::new()).unwrap();
    assert_eq!(values["GLOBCRM_IDENTITY_SERVICE_SECRET_RECORDS"], values["GLOBCRM_RECORDS_SERVICE_SECRET"]);
    assert_ne!(values["GLOBCRM_FIELDS_SERVICE_SECRET"], values["GLOBCRM_RECORDS_SERVICE_SECRET"]);
    assert_ne!(values["GLOBCRM_FLEET_CURSOR_KEY"], values["GLOBCRM_IDENTITY_AUDIT_KEY"]);
    let again = made(&Env::default(), &Kept::new()).unwrap();
    for (name, value) in &values {
        assert_ne!(value, &again[name], "{name} is no secret");
    }
}

#[test]
fn what_is_made_for_seal_keys_is_a_key_and_each_service_has_its_own() {
    let setting = |role| Setting {
        role,
        name: "SEAL_KEYS",
        kind: Kind::Secret,
        required: true,
        default: None,
        doc: "",
    };
    let mut settings = all_settings();
    settings.retain(|setting| setting.name != "SEAL_KEYS");
    settings.extend([setting("RECORDS"), setting("FIELDS")]);
    let needs = needs(&settings).unwrap();
    let values = resolve(&needs, &Env::default(), &Kept::new(), &places()).unwrap();
    let keys: Vec<seal::OperatorKeys> = values
        .iter()
        .filter(|secret| secret.need.name.ends_with("_SEAL_KEYS"))
        .map(|secret| seal::OperatorKeys::new(&secret.value).unwrap())
        .collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0].newest(), keys[1].newest());
}

#[test]
fn servers_know_the_passwords_of_the_urls() {
    let values = made(&Env::default(), &Kept::new()).unwrap();
    let password = &values["postgres-password"];
    assert_eq!(
        values["GLOBCRM_MIGRATE_ADMIN_URL"],
        format!("postgres://postgres:{password}@db:5432/postgres")
    );
    let user = "postgres://globcrm_records_worker:";
    assert!(values["GLOBCRM_RECORDS_WORKER_DATABASE_URL"].starts_with(user));
    let requirepass = values["redis.conf"].trim().strip_prefix("requirepass ").unwrap();
    assert_eq!(values["GLOBCRM_FLEET_REDIS_URL"], format!("redis://:{requirepass}@cache:6379/0"));
    let broker: serde_json::Value = serde_json::from_str(&values["rabbitmq-definitions.json"]).unwrap();
    assert_eq!(broker["users"][0]["name"], "globcrm");
    assert_eq!(broker["policies"].as_array().unwrap().len(), 2);
    let url = &values["GLOBCRM_FLEET_AMQP_URL"];
    let password = url.strip_prefix("amqp://globcrm:").unwrap().split('@').next().unwrap();
    assert!(!values["rabbitmq-definitions.json"].contains(password));
    assert!(is_hash_of(broker["users"][0]["password_hash"].as_str().unwrap(), password));
}

/// As RabbitMQ checks it.
fn is_hash_of(hash: &str, password: &str) -> bool {
    use base64::Engine as _;
    use sha2::Digest as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(hash).unwrap();
    let (salt, digest) = bytes.split_at(4);
    sha2::Sha256::digest([salt, password.as_bytes()].concat()).as_slice() == digest
}

#[test]
fn a_server_that_the_environment_names_is_taken_as_it_is_and_gets_no_file() {
    let url = "postgres://root:p%40ss@db.example:6432/postgres?sslmode=require";
    let env: Env = [("GLOBCRM_MIGRATE_ADMIN_URL", url)].into_iter().collect();
    let values = made(&env, &Kept::new()).unwrap();
    assert_eq!(values["GLOBCRM_MIGRATE_ADMIN_URL"], url);
    let records = &values["GLOBCRM_RECORDS_DATABASE_URL"];
    assert!(records.starts_with("postgres://globcrm_records_app:"), "{records}");
    assert!(records.ends_with("@db.example:6432/globcrm?sslmode=require"), "{records}");
    assert!(!values.contains_key("postgres-password"));
    assert!(values.contains_key("redis.conf"));
}

#[test]
fn a_second_run_changes_nothing_and_a_third_restores_what_was_removed() {
    for by_reader in [false, true] {
        let dir = Scratch::new(if by_reader { "again-by-reader" } else { "again" });
        let layout = dir.layout(by_reader);
        assert!(write(&layout).unwrap() > 20);
        let first = contents(&dir.0);
        assert_eq!(write(&layout).unwrap(), 0);
        assert_eq!(contents(&dir.0), first);
        let side = if by_reader { "identity/" } else { "" };
        fs::remove_file(dir.0.join(format!("{side}GLOBCRM_IDENTITY_SERVICE_SECRET_RECORDS"))).unwrap();
        assert_eq!(write(&layout).unwrap(), 1);
        assert_eq!(contents(&dir.0), first);
        let side = if by_reader { "records/" } else { "" };
        fs::remove_file(dir.0.join(format!("{side}GLOBCRM_RECORDS_SERVICE_SECRET"))).unwrap();
        assert_eq!(write(&layout).unwrap(), 1);
        assert_eq!(contents(&dir.0), first);
    }
}

#[test]
fn only_the_owner_enters_the_directory_and_every_reader_reads_its_files() {
    let dir = Scratch::new("modes");
    write(&dir.layout(false)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.0), 0o700);
    assert_eq!(mode(&dir.0.join("GLOBCRM_IDENTITY_SIGNING_KEY")), 0o444);
}

#[test]
fn what_does_not_fit_together_is_refused_by_name_and_never_by_value() {
    let kept = |pairs: &[(&str, &str)]| -> Kept {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
    };
    let refused = |env: &Env, kept: &Kept| format!("{:#}", made(env, kept).unwrap_err());
    let none = Env::default();
    let sides =
        kept(&[("GLOBCRM_IDENTITY_SERVICE_SECRET_FIELDS", "a-a"), ("GLOBCRM_FIELDS_SERVICE_SECRET", "b-b")]);
    let said = refused(&none, &sides);
    assert!(
        said.contains("GLOBCRM_IDENTITY_SERVICE_SECRET_FIELDS and GLOBCRM_FIELDS_SERVICE_SECRET"),
        "{said}"
    );
    let said_too = refused(&none, &kept(&[("postgres-password", "a-a")]));
    assert!(said_too.contains("GLOBCRM_MIGRATE_ADMIN_URL is not"), "{said_too}");
    let env: Env = [("GLOBCRM_FLEET_CURSOR_KEY", "b-b")].into_iter().collect();
    let said_last = refused(&env, &kept(&[("GLOBCRM_FLEET_CURSOR_KEY", "a-a")]));
    assert!(said_last.contains("GLOBCRM_FLEET_CURSOR_KEY is kept already"), "{said_last}");
    for text in [said, said_too, said_last] {
        assert!(!text.contains("a-a") && !text.contains("b-b"), "{text}");
    }
}

#[test]
fn an_empty_file_is_not_a_secret() {
    let dir = Scratch::new("empty");
    fs::create_dir_all(&dir.0).unwrap();
    fs::write(dir.0.join("GLOBCRM_FLEET_CURSOR_KEY"), "").unwrap();
    let said = format!("{:#}", write(&dir.layout(false)).unwrap_err());
    assert!(said.contains("GLOBCRM_FLEET_CURSOR_KEY is empty"), "{said}");
}

#[test]
fn a_manifest_has_a_key_for_each_secret_on_a_line_of_its_own() {
    let needs = all();
    let secrets = resolve(&needs, &Env::default(), &Kept::new(), &places()).unwrap();
    let text = kubernetes::manifest("crm", &secrets).unwrap();
    let (head, data) = text.split_once("stringData:\n").unwrap();
    assert!(head.contains("kind: Secret") && head.contains("name: \"crm\""), "{head}");
    assert_eq!(data.lines().count(), needs.len());
    for (line, need) in data.lines().zip(&needs) {
        let (key, value) = line.trim_start().split_once(": ").unwrap();
        assert_eq!(key, need.name);
        assert!(!serde_json::from_str::<String>(value).unwrap().is_empty());
    }
}

#[test]
fn names_and_addresses_that_would_end_their_place_are_refused() {
    for wrong in ["", "CRM", "-crm", "crm-", "a\nb", "a: b", &"a".repeat(254)] {
        assert!(kubernetes::name(wrong).is_err(), "{wrong:?}");
    }
    assert!(kubernetes::name("crm.prod-1").is_ok());
    for wrong in ["", "db/x", "user@db", "db 1", "db?x", "db#x"] {
        assert!(address(wrong).is_err(), "{wrong:?}");
    }
    for right in ["db", "db.example:5432", "[::1]:5432"] {
        assert!(address(right).is_ok(), "{right:?}");
    }
}
