//! What the JSON Schema of a setting says of it: the one source of its kind, its default, its text and what is answered to a wrong value.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::setting::lasting;
use crate::{Kind, Named, Setting, fields};

/// The extension of JSON Schema (that of ajv-errors) with what is wanted of a value.
const WANTED: &str = "errorMessage";

/// The extension of JSON Schema by which tools know what may change while the process runs.
const HOT: &str = "x-hot";

/// A setting with its schema.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    /// As the struct is told it: the name in lower case.
    pub(crate) field: String,
    /// Without prefix and role.
    pub(crate) name: &'static str,
    /// Must be given.
    pub(crate) required: bool,
    /// Its JSON Schema.
    pub(crate) schema: Map<String, Value>,
}

/// The settings of a struct, in the order of its fields.
pub(crate) fn of<T: DeserializeOwned + JsonSchema>() -> Vec<Property> {
    let whole = schema_of::<T>();
    let required = |field: &str| {
        whole["required"]
            .as_array()
            .is_some_and(|names| names.iter().any(|name| name.as_str() == Some(field)))
    };
    let property = |field: &&'static str| {
        let name = lasting(&field.to_ascii_uppercase());
        Property::new(name, required(field), whole["properties"][*field].clone())
    };
    fields::of::<T>().iter().map(property).collect()
}

/// The settings of one type whose names the fleet's list knows.
pub(crate) fn named<T: JsonSchema>(all: &[Named]) -> Vec<Property> {
    let each = schema_of::<T>();
    all.iter()
        .map(|Named { name, doc, required }| {
            let mut property = Property::new(name, *required, each.clone());
            property.schema.insert("description".to_owned(), (*doc).into());
            property
        })
        .collect()
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

impl Property {
    fn new(name: &'static str, required: bool, schema: Value) -> Self {
        let Value::Object(mut schema) = schema else {
            return Self::new(name, required, Value::Object(Map::new()));
        };
        schema.remove("title");
        // A variable is there or not: none is null, and no default is one.
        if let Some(kind) =
            schema.get("type").and_then(Value::as_array).and_then(|kinds| kinds.first()).cloned()
        {
            schema.insert("type".to_owned(), kind);
        }
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
        if let Some(text) = schema.get("description").and_then(Value::as_str) {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            schema.insert("description".to_owned(), text.trim_end_matches('.').into());
        }
        // schemars says of large types only which they are.
        let most = match schema.get("format").and_then(Value::as_str) {
            Some("uint32") => Some(u64::from(u32::MAX)),
            Some("uint64" | "uint") => Some(u64::MAX),
            _ => None,
        };
        if let Some(most) = most {
            schema.entry("maximum").or_insert(most.into());
        }
        Self { field: name.to_ascii_lowercase(), name, required, schema }
    }

    /// The setting, as documents show it.
    pub(crate) fn setting(&self, role: &'static str) -> Setting {
        Setting {
            role,
            name: self.name,
            kind: self.kind(),
            required: self.required,
            default: self.schema.get("default").map(|default| match default {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }),
            doc: lasting(self.text("description").unwrap_or_default()),
        }
    }

    /// Says that it may change while the process runs.
    pub(crate) fn make_hot(&mut self) {
        self.schema.insert(HOT.to_owned(), true.into());
    }

    pub(crate) fn is_hot(&self) -> bool {
        self.schema.contains_key(HOT)
    }

    /// Whether the process looks if it has changed: it, or what is in the file that it names.
    pub(crate) fn is_watched(&self) -> bool {
        self.is_hot() || self.kind() == Kind::File
    }

    pub(crate) fn kind(&self) -> Kind {
        match (self.text("type"), self.text("format")) {
            (Some("integer"), _) => Kind::Number,
            (Some("boolean"), _) => Kind::Bool,
            (Some("number"), _) => Kind::Seconds,
            (_, Some("address")) => Kind::Address,
            (_, Some("path")) => Kind::Path,
            (_, Some("file")) => Kind::File,
            (_, Some("password")) => Kind::Secret,
            _ => Kind::Text,
        }
    }

    /// What is answered to a value that the type refuses: from the schema, never from the error, which may repeat the value.
    pub(crate) fn wanted(&self) -> String {
        if let Some(text) = self.text(WANTED) {
            return text.to_owned();
        }
        match self.kind() {
            Kind::Bool => "must be true or false".to_owned(),
            Kind::Number => {
                format!(
                    "must be a whole number from {} to {}",
                    self.number("minimum"),
                    self.number("maximum")
                )
            }
            _ => match &*self.choices() {
                [] => "is not what is wanted".to_owned(),
                choices => format!("must be {}", choices.join(" or ")),
            },
        }
    }

    /// What is answered to a number that the type takes and the schema's bounds do not.
    pub(crate) fn outside(&self, text: &str) -> Option<String> {
        if !matches!(self.kind(), Kind::Number | Kind::Seconds) {
            return None;
        }
        let (number, bound) =
            (text.parse::<f64>().ok()?, |name| self.schema.get(name).and_then(Value::as_f64));
        let (below, above) = (
            bound("minimum").is_some_and(|least| number < least),
            bound("maximum").is_some_and(|most| number > most),
        );
        match self.kind() {
            Kind::Number => (below || above).then(|| self.wanted()),
            _ if below => Some(format!("must be at least {}", self.number("minimum"))),
            _ if above => Some(format!("must be at most {}", self.number("maximum"))),
            _ => None,
        }
    }

    /// A bound, as the schema has it.
    fn number(&self, bound: &str) -> String {
        self.schema.get(bound).map(Value::to_string).unwrap_or_default()
    }

    /// The words of an enum.
    fn choices(&self) -> Vec<&str> {
        let of = |name: &str| self.schema.get(name).and_then(Value::as_array).into_iter().flatten();
        let documented = of("oneOf").filter_map(|variant| variant["const"].as_str());
        of("enum").filter_map(Value::as_str).chain(documented).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.schema.get(name).and_then(Value::as_str)
    }
}
