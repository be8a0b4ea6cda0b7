//! Reading groups of settings: all problems at once, each by the variable's name.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::file;
use crate::hot::{self, Apply, Check, Group};
use crate::property::{self, Property};
use crate::{Env, Hot, Kind, Named, PREFIX, Problem, Problems, Reloads, Setting};

/// What one role or library reads: a group, or several.
///
/// `read` asks the reader for every group before it uses any (`?` only at the end), so that one run finds every problem and the same
/// function describes the settings for documents.
pub trait Section: Sized {
    /// Reads the section; `None` when a problem was noted.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// Reads settings of one role and remembers what it saw.
pub struct Reader<'a> {
    env: &'a Env,
    role: &'static str,
    problems: Vec<Problem>,
    properties: Vec<Property>,
    groups: Vec<Group>,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("role", &self.role)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

/// The text of a setting, and the variable that gave it.
struct Given {
    property: Property,
    variable: String,
    text: String,
}

impl<'a> Reader<'a> {
    fn new(env: &'a Env, role: &'static str) -> Self {
        Self { env, role, problems: Vec::new(), properties: Vec::new(), groups: Vec::new() }
    }

    /// A flat group: each field is a setting, named as serde names it.
    pub fn group<T: DeserializeOwned + JsonSchema>(&mut self) -> Option<T> {
        self.decode(property::of::<T>())
    }

    /// Settings of one type by names that no struct can have, as they follow from the fleet's list. Those that are given.
    pub fn each<T: DeserializeOwned + JsonSchema>(
        &mut self,
        names: &[Named],
    ) -> Option<BTreeMap<&'static str, T>> {
        let mut given: BTreeMap<String, T> = self.decode(property::named::<T>(names))?;
        // The map has the names in lower case, as envy gives them.
        let named = names
            .iter()
            .filter_map(|Named { name, .. }| Some((*name, given.remove(&name.to_ascii_lowercase())?)));
        Some(named.collect())
    }

    /// A section whose settings may change while the process runs.
    pub fn hot<S: Section + Send + Sync + 'static>(&mut self) -> Option<Hot<S>> {
        self.hot_where(|_| true, false)
    }

    /// A section whose secrets may change while the process runs, and nothing else of it.
    pub fn hot_secrets<S: Section + Send + Sync + 'static>(&mut self) -> Option<Hot<S>> {
        self.hot_where(|property| property.kind() == Kind::Secret, false)
    }

    /// A section whose settings stay as they are, while what is in the files that they name ([`Kind::File`]) may change.
    pub fn watched<S: Section + Send + Sync + 'static>(&mut self) -> Option<Hot<S>> {
        self.hot_where(|_| false, true)
    }

    /// The text of a setting of another group, for one that must fit it. What is wrong with it, its own group says.
    pub fn text(&self, name: &str) -> Option<&str> {
        [self.role, "FLEET"].iter().find_map(|role| self.env.get(&format!("{PREFIX}{role}_{name}")))
    }

    fn hot_where<S: Section + Send + Sync + 'static>(
        &mut self,
        may: impl Fn(&Property) -> bool,
        is_fixed: bool,
    ) -> Option<Hot<S>> {
        let of_section = asked::<S>(self.role);
        let looked_at = of_section.iter().filter(|property| may(property) || property.is_watched());
        let settings: Vec<Setting> = looked_at.map(|property| property.setting(self.role)).collect();
        // Before the files are read.
        let seen = hot::digest(&settings, self.env, true);
        let from = self.properties.len();
        let section = S::read(self);
        for property in self.properties[from..].iter_mut().filter(|property| may(property)) {
            property.make_hot();
        }
        let (hot, role) = (Hot::new(section?), self.role);
        let follows = hot.clone();
        let check: Check = Box::new(move |env: &Env| {
            let (hot, section) = (follows.clone(), load::<S>(env, role)?);
            let apply: Apply = Box::new(move || hot.set(section));
            Ok(apply)
        });
        self.groups.push(Group { settings, check, is_fixed, seen });
        Some(hot)
    }

    /// Notes a problem that concerns more than one value, by the variable that gave this one.
    pub fn refuse(&mut self, name: &str, text: impl Into<String>) {
        let (own, of_all) = (self.variable(name), format!("{PREFIX}FLEET_{name}"));
        let is_of_all = self.env.get(&own).is_none() && self.env.get(&of_all).is_some();
        self.problem(if is_of_all { of_all } else { own }, text);
    }

    /// The role being read, lower case.
    pub fn role(&self) -> String {
        self.role.to_ascii_lowercase()
    }

    /// Lets envy fill the type. It stops at the first value that the type refuses, so that one is noted, left out, and the others are
    /// tried again, until all were looked at.
    fn decode<T: DeserializeOwned>(&mut self, properties: Vec<Property>) -> Option<T> {
        self.properties.extend(properties.iter().cloned());
        let noted = self.problems.len();
        let mut given: Vec<Given> =
            properties.into_iter().filter_map(|property| self.given(property)).collect();
        let decoded = loop {
            let at = Cell::new(0);
            let pairs = given.iter().enumerate().map(|(index, given)| {
                at.set(index);
                (given.property.field.clone(), given.text.clone())
            });
            match envy::from_iter::<_, T>(pairs) {
                Ok(decoded) => break Some(decoded),
                // Noted above, where the schema says so too.
                Err(envy::Error::MissingValue(field)) => {
                    if self.problems.len() == noted {
                        self.refuse(&field.to_ascii_uppercase(), "is missing");
                    }
                    break None;
                }
                Err(envy::Error::Custom(_)) if at.get() < given.len() => {
                    let Given { property, variable, .. } = given.remove(at.get());
                    self.problem(variable, property.wanted());
                }
                // With nothing given there is no value that can be refused.
                Err(envy::Error::Custom(text)) => {
                    self.refuse("", text);
                    break None;
                }
            }
        };
        for Given { property, variable, text } in given {
            if let Some(wanted) = property.outside(&text) {
                self.problem(variable, wanted);
            }
        }
        decoded.filter(|_| self.problems.len() == noted)
    }

    /// Looks a setting up; notes that it is missing, or cannot be read.
    fn given(&mut self, property: Property) -> Option<Given> {
        match self.find(&property) {
            Ok(Some((variable, text))) => Some(Given { property, variable, text }),
            Ok(None) => {
                if property.required {
                    self.refuse(property.name, "is missing");
                }
                None
            }
            Err((variable, text)) => {
                self.problem(variable, text);
                None
            }
        }
    }

    /// The text and the variable it is from, or the variable and what is wrong with it.
    fn find(&self, property: &Property) -> Result<Option<(String, String)>, (String, String)> {
        for role in [self.role, "FLEET"] {
            let variable = format!("{PREFIX}{role}_{}", property.name);
            let file_variable = format!("{variable}_FILE");
            let direct = self.env.get(&variable);
            let file = (property.kind() == Kind::Secret).then(|| self.env.get(&file_variable)).flatten();
            match (direct, file) {
                (Some(_), Some(_)) => {
                    return Err((variable, "is given twice: directly and by _FILE".to_owned()));
                }
                (Some(text), None) => return Ok(Some((variable, text.to_owned()))),
                (None, Some(path)) => {
                    return match file::text(Path::new(path), file::LONGEST) {
                        Ok(text) => Ok(Some((file_variable, text.trim_end_matches(['\r', '\n']).to_owned()))),
                        Err(error) => {
                            let text = format!("names a file that cannot be read: {error}");
                            Err((file_variable, text))
                        }
                    };
                }
                (None, None) => {}
            }
        }
        Ok(None)
    }

    fn variable(&self, name: &str) -> String {
        format!("{PREFIX}{}_{name}", self.role)
    }

    fn problem(&mut self, variable: String, text: impl Into<String>) {
        self.problems.push(Problem { variable, text: text.into() });
    }
}

/// Reads a section of `role` (upper case), or says everything that is wrong with it.
pub fn load<S: Section>(env: &Env, role: &'static str) -> Result<S, Problems> {
    let mut reader = Reader::new(env, role);
    match S::read(&mut reader) {
        Some(section) if reader.problems.is_empty() => Ok(section),
        _ => Err(Problems(reader.problems)),
    }
}

/// The same, with what reads again those groups that may change.
pub fn load_with_reloads<S: Section>(env: &Env, role: &'static str) -> Result<(S, Reloads), Problems> {
    let mut reader = Reader::new(env, role);
    match S::read(&mut reader) {
        Some(section) if reader.problems.is_empty() => Ok((section, Reloads(reader.groups))),
        _ => Err(Problems(reader.problems)),
    }
}

/// Those settings of a section that may change while the process runs.
pub fn hot_settings<S: Section>(role: &'static str) -> Vec<Setting> {
    let properties = asked::<S>(role);
    properties.iter().filter(|property| property.is_hot()).map(|property| property.setting(role)).collect()
}

/// The settings of a section, without reading any.
pub fn describe<S: Section>(role: &'static str) -> Vec<Setting> {
    asked::<S>(role).iter().map(|property| property.setting(role)).collect()
}

/// The JSON Schema of a section's settings, by their names without prefix and role.
pub fn schema<S: Section>(role: &'static str) -> Value {
    let properties = asked::<S>(role);
    let required: Vec<&str> = properties.iter().filter(|p| p.required).map(|p| p.name).collect();
    let schemas: Map<String, Value> =
        properties.iter().map(|p| (p.name.to_owned(), Value::Object(p.schema.clone()))).collect();
    json!({ "type": "object", "properties": schemas, "required": required, "additionalProperties": false })
}

fn asked<S: Section>(role: &'static str) -> Vec<Property> {
    let env = Env::default();
    let mut reader = Reader::new(&env, role);
    drop(S::read(&mut reader));
    reader.properties
}

impl<A: Section, B: Section> Section for (A, B) {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (a, b) = (A::read(reader), B::read(reader));
        Some((a?, b?))
    }
}
