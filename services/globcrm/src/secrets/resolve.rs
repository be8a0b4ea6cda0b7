//! A value for every need: from the environment, kept from before, or made.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use config::{Env, ExposeSecret, SecretString};

use super::Places;
use super::needs::{ADMIN_URL, Need, Source};
use super::values;

/// Values by name.
pub(super) type Kept = BTreeMap<String, SecretString>;

/// A need with its value.
#[derive(Clone)]
pub(super) struct Secret<'a> {
    pub(super) need: &'a Need,
    pub(super) value: SecretString,
}

/// Finds or makes the value of every need. What is kept is never replaced: where the environment says something else, or two
/// sides of a secret differ, that is an error.
pub(super) fn resolve<'a>(
    needs: &'a [Need],
    env: &Env,
    kept: &Kept,
    places: &Places,
) -> anyhow::Result<Vec<Secret<'a>>> {
    let mut values = kept.clone();
    let mut given = Vec::new();
    for need in needs {
        let name = need.name.as_str();
        let Some(value) = from_environment(env, name)? else { continue };
        if let Some(kept) = values.insert(name.to_owned(), value.clone())
            && kept.expose_secret() != value.expose_secret()
        {
            bail!("{name} is kept already, and the environment gives another value: remove one of them");
        }
        given.push(name);
    }
    // The service's side of a secret may be missing while identity has the other.
    for need in needs {
        if let Source::Same(other) = &need.source
            && let Some(value) = values.get(&need.name).cloned()
        {
            values.entry(other.clone()).or_insert(value);
        }
    }
    for need in needs {
        let value = match &need.source {
            Source::Same(_) | Source::Database(_) | Source::Server { .. } => continue,
            _ if values.contains_key(&need.name) => continue,
            Source::Random => values::random()?,
            Source::SigningKey => values::signing_key()?,
            Source::Administrator => values::administrator(&places.postgres)?,
            Source::Broker => values::broker(&places.rabbitmq)?,
            Source::Cache => values::cache(&places.redis)?,
        };
        refuse_orphan(needs, kept, &need.name)?;
        values.insert(need.name.clone(), value);
    }
    let mut all = Vec::new();
    for need in needs {
        let other = |name: &str| values.get(name).with_context(|| format!("{name} is missing"));
        let held = values.get(&need.name).cloned();
        let value = match (&need.source, held) {
            (Source::Same(name), Some(value)) if other(name)?.expose_secret() != value.expose_secret() => {
                bail!("{} and {name} must be the same and differ: remove the wrong one", need.name)
            }
            // The server is another's.
            (Source::Server { url, .. }, _) if given.contains(url) => continue,
            (_, Some(value)) => value,
            (Source::Same(name), None) => other(name)?.clone(),
            (Source::Database(user), None) => {
                values::database(other(ADMIN_URL)?, user).with_context(|| ADMIN_URL.to_owned())?
            }
            (Source::Server { url, file }, None) => {
                values::server_file(*file, other(url)?).with_context(|| (*url).to_owned())?
            }
            (_, None) => bail!("{} was not made", need.name),
        };
        all.push(Secret { need, value });
    }
    Ok(all)
}

/// A new URL would have another password than its server.
fn refuse_orphan(needs: &[Need], kept: &Kept, name: &str) -> anyhow::Result<()> {
    let is_of = |need: &&Need| matches!(&need.source, Source::Server { url, .. } if *url == name);
    match needs.iter().find(is_of) {
        Some(server) if kept.contains_key(&server.name) => {
            bail!(
                "{} is kept and {name} is not, and both have one password: restore it, or remove both",
                server.name
            )
        }
        _ => Ok(()),
    }
}

/// The value that the environment gives, directly or by `_FILE`.
fn from_environment(env: &Env, name: &str) -> anyhow::Result<Option<SecretString>> {
    let file = format!("{name}_FILE");
    match (env.get(name), env.get(&file)) {
        (Some(_), Some(_)) => bail!("{name} is given twice: directly and by _FILE"),
        (Some(value), None) => Ok(Some(SecretString::from(value))),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the file that {file} names"))?;
            Ok(Some(SecretString::from(text.trim_end_matches(['\r', '\n']))))
        }
        (None, None) => Ok(None),
    }
}
