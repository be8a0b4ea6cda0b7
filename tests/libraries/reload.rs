//! What changes while a process runs, by real files, and what does not.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use config::{
    Env, ExposeSecret, Hot, Reader, Reloader, Secret, SecretString, Section, WatchedFile, hot_settings,
    load_with_reloads,
};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema, Debug, Clone)]
#[serde(default)]
struct Rates {
    /// A minute.
    #[schemars(range(max = 100))]
    per_minute: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { per_minute: 7 }
    }
}

impl Section for Rates {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

#[derive(Deserialize, JsonSchema, Debug)]
struct Pool {
    /// Password.
    #[schemars(with = "Secret")]
    password: SecretString,
    /// Connections.
    #[serde(default)]
    size: u32,
}

impl Section for Pool {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

struct Role {
    rates: Hot<Rates>,
    pool: Hot<Pool>,
}

impl Section for Role {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (rates, pool) = (r.hot(), r.hot_secrets());
        Some(Self { rates: rates?, pool: pool? })
    }
}

/// A directory of its own, which ends with the test.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("globcrm-reload-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn started(files: &Files) -> (Role, Reloader) {
    let password = files.write("password", "old-s3cret\n");
    let file = files.write("settings", "# nothing yet\n");
    let env: Env = [("GLOBCRM_X_PASSWORD_FILE", &*password), ("GLOBCRM_X_SIZE", "3")].into_iter().collect();
    let mut reloader = Reloader::new(env, Some(file.into()), &hot_settings::<Role>("X"));
    let (role, reloads) = load_with_reloads::<Role>(&reloader.env().unwrap(), "X").unwrap();
    reloader.follow(reloads);
    (role, reloader)
}

#[test]
fn a_file_changes_what_may_change_and_those_who_follow_are_told() {
    let files = Files::new("change");
    let (role, mut reloader) = started(&files);
    let told = Arc::new(AtomicUsize::new(0));
    let tells = told.clone();
    role.rates.follow(move |rates| tells.store(rates.per_minute as usize, Ordering::Relaxed));
    assert!(!reloader.look().unwrap(), "nothing has changed");
    let before = reloader.hash();

    files.write("settings", "\n# more\nGLOBCRM_FLEET_PER_MINUTE = 50\n");
    assert!(reloader.look().unwrap());
    assert_eq!((role.rates.get().per_minute, told.load(Ordering::Relaxed)), (50, 50));
    assert_ne!(reloader.hash(), before);
    assert!(!reloader.look().unwrap(), "it is in force already");

    // Taken out again, the default is back.
    files.write("settings", "");
    assert!(reloader.look().unwrap());
    assert_eq!(role.rates.get().per_minute, 7);
    assert_eq!(reloader.hash(), before);
}

#[test]
fn a_secret_changes_by_its_file_and_does_not_show_in_the_hash() {
    let files = Files::new("secret");
    let (role, mut reloader) = started(&files);
    let before = reloader.hash();
    files.write("password", "new-s3cret\n");
    assert!(reloader.look().unwrap());
    assert_eq!(role.pool.get().password.expose_secret(), "new-s3cret");
    assert_eq!(role.pool.get().size, 3);
    assert_eq!(reloader.hash(), before);
    assert!(!format!("{:?} {:?}", role.pool, reloader).contains("s3cret"));
}

#[test]
fn one_wrong_value_keeps_all_old_ones_and_is_told_by_name() {
    let files = Files::new("wrong");
    let (role, mut reloader) = started(&files);
    files.write("password", "new-s3cret\n");
    for (text, wanted) in [
        ("GLOBCRM_X_PER_MINUTE=hunter2", "GLOBCRM_X_PER_MINUTE must be a whole number from 0 to 100"),
        ("GLOBCRM_X_PER_MINUTE=101", "GLOBCRM_X_PER_MINUTE must be a whole number from 0 to 100"),
        ("GLOBCRM_X_PER_MINUT=1", "did you mean GLOBCRM_X_PER_MINUTE?"),
        ("GLOBCRM_X_SIZE=4", "GLOBCRM_X_SIZE is not a setting that can change while the process runs"),
        ("hunter2", ":1 must be GLOBCRM_<ROLE>_<NAME>=<value>"),
    ] {
        files.write("settings", text);
        for _ in 0..2 {
            let problems = reloader.look().unwrap_err().to_string();
            assert!(problems.contains(wanted) && !problems.contains("hunter2"), "{problems}");
        }
        assert_eq!(role.rates.get().per_minute, 7);
        assert_eq!(role.pool.get().password.expose_secret(), "old-s3cret");
    }
    std::fs::remove_file(files.0.join("settings")).unwrap();
    let problems = reloader.look().unwrap_err().to_string();
    assert!(problems.contains("cannot be read"), "{problems}");
    files.write("settings", "GLOBCRM_X_PER_MINUTE=9");
    assert!(reloader.look().unwrap());
    assert_eq!(role.rates.get().per_minute, 9);
    assert_eq!(role.pool.get().password.expose_secret(), "new-s3cret");
}

#[test]
fn what_may_change_is_listed() {
    let names: Vec<_> = hot_settings::<Role>("X").iter().map(|setting| setting.name).collect();
    assert_eq!(names, ["PER_MINUTE", "PASSWORD"]);
}

#[derive(Deserialize, JsonSchema, Debug)]
struct Watched {
    /// A file.
    #[schemars(with = "WatchedFile")]
    key_file: PathBuf,
    #[serde(skip)]
    text: String,
}

impl Section for Watched {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let named: Self = r.group()?;
        match std::fs::read_to_string(&named.key_file) {
            Ok(text) if text.starts_with("key") => Some(Self { text, ..named }),
            _ => {
                r.refuse("KEY_FILE", "is no key");
                None
            }
        }
    }
}

struct Watching(Hot<Watched>);

impl Section for Watching {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.watched().map(Self)
    }
}

#[test]
fn what_is_in_a_watched_file_may_change_and_which_file_it_is_may_not() {
    let files = Files::new("watched");
    let key = files.write("key", "key 1");
    let settings = files.write("settings", "");
    let env: Env = [("GLOBCRM_FLEET_KEY_FILE", &*key)].into_iter().collect();
    let may = hot_settings::<Watching>("X");
    assert!(may.is_empty(), "{may:?}");
    let mut reloader = Reloader::new(env, Some(settings.into()), &may);
    let (role, reloads) = load_with_reloads::<Watching>(&reloader.env().unwrap(), "X").unwrap();
    reloader.follow(reloads);
    assert!(!reloader.look().unwrap());
    let before = reloader.hash();

    files.write("key", "key 2");
    assert!(reloader.look().unwrap());
    assert_eq!((&*role.0.get().text, reloader.hash()), ("key 2", before), "keys are not in the hash");
    files.write("key", "nonsense");
    let problems = reloader.look().unwrap_err().to_string();
    assert!(
        problems.contains("GLOBCRM_FLEET_KEY_FILE is no key") && !problems.contains("nonsense"),
        "{problems}"
    );
    assert_eq!(role.0.get().text, "key 2");

    files.write("key", "key 2");
    files.write("settings", "GLOBCRM_FLEET_KEY_FILE=/another\n");
    let problems = reloader.look().unwrap_err().to_string();
    assert!(problems.contains("GLOBCRM_FLEET_KEY_FILE"), "{problems}");
    assert_eq!(role.0.get().text, "key 2");
}

#[test]
fn what_changes_while_a_process_starts_is_found_by_the_first_look() {
    let files = Files::new("start");
    let key = files.write("key", "key 1");
    let env: Env = [("GLOBCRM_X_KEY_FILE", &*key)].into_iter().collect();
    let (role, reloads) = load_with_reloads::<Watching>(&env, "X").unwrap();
    files.write("key", "key 2");
    let mut reloader = Reloader::new(env, None, &[]);
    reloader.follow(reloads);
    assert_eq!(role.0.get().text, "key 1");
    assert!(reloader.look().unwrap());
    assert_eq!(role.0.get().text, "key 2");
    assert!(!reloader.look().unwrap());
}

#[test]
fn what_is_wrong_in_one_group_of_files_keeps_no_other_back() {
    let files = Files::new("apart");
    let (key, password) = (files.write("key", "key 1"), files.write("password", "old"));
    let settings = files.write("settings", "");
    let env: Env =
        [("GLOBCRM_X_KEY_FILE", &*key), ("GLOBCRM_X_PASSWORD_FILE", &*password)].into_iter().collect();
    let mut reloader = Reloader::new(env, Some(settings.into()), &hot_settings::<Role>("X"));
    let ((watching, role), reloads) =
        load_with_reloads::<(Watching, Role)>(&reloader.env().unwrap(), "X").unwrap();
    reloader.follow(reloads);

    files.write("key", "nonsense");
    files.write("password", "new");
    for _ in 0..2 {
        let problems = reloader.look().unwrap_err().to_string();
        assert!(problems.contains("GLOBCRM_X_KEY_FILE is no key"), "{problems}");
        assert_eq!((reloader.changes(), role.pool.get().password.expose_secret()), (1, "new"));
    }
    files.write("settings", "GLOBCRM_X_PER_MINUTE=hunter2");
    files.write("key", "key 2");
    let problems = reloader.look().unwrap_err().to_string();
    assert!(problems.contains("PER_MINUTE") && !problems.contains("KEY_FILE"), "{problems}");
    assert_eq!((reloader.changes(), &*watching.0.get().text), (2, "key 2"));
}

#[test]
fn a_file_has_a_bound() {
    let files = Files::new("bound");
    let (role, mut reloader) = started(&files);
    files.write("password", &"x".repeat((1 << 20) + 1));
    let problems = reloader.look().unwrap_err().to_string();
    assert!(problems.contains("GLOBCRM_X_PASSWORD_FILE names a file that cannot be read"), "{problems}");
    assert_eq!(role.pool.get().password.expose_secret(), "old-s3cret");
}
