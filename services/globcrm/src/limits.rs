//! `globcrm limits`: the section "Limits" of docs/api.md. Every number is read from where it is enforced.

use anyhow::Context;
use config::{Limit, Setting};
use serde_json::Value;

use crate::roles::Role;
use crate::{configuration, programs};

/// Of lists and of custom values: the same for every service.
const LIBRARIES: [Limit; 13] = [
    Limit::new("filter", query::filter::MAX_BYTES as u64, "bytes"),
    Limit::new("comparisons of a filter", query::filter::MAX_COMPARISONS as u64, ""),
    Limit::new("brackets and `NOT` inside each other in a filter", query::filter::MAX_DEPTH as u64, ""),
    Limit::new("values of a list in a filter", query::filter::MAX_LIST as u64, ""),
    Limit::new("keys of `order_by`", query::order::MAX_KEYS as u64, ""),
    Limit::new("`fields`", query::select::MAX_BYTES as u64, "bytes"),
    Limit::new(
        "page; it ends earlier where its records are large",
        query::list::MAX_PAGE_BYTES as u64,
        "bytes",
    ),
    Limit::new("exact count; more is said to be more", query::count::EXACT_CAP as u64, ""),
    Limit::new("records up to which every field can be filtered by", query::count::SMALL_SET as u64, ""),
    Limit::new("custom `text`", field_types::text::TEXT_CHARS as u64, "characters"),
    Limit::new("custom `long_text`", field_types::text::LONG_TEXT_CHARS as u64, "characters"),
    Limit::new("custom `url`", field_types::url::URL_CHARS as u64, "characters"),
    Limit::new("all custom values of a record, as JSON", field_types::custom::CUSTOM_BYTES as u64, "bytes"),
];

/// What a setting's name contains that limits clients, or the time that something is kept.
const OF_CLIENTS: [&str; 4] = ["_PER_", "MAX_IN_FLIGHT", "MAX_TRANSFERS", "_RETENTION"];

/// Prints the section.
pub(crate) fn run() -> anyhow::Result<()> {
    let contract = gateway::openapi().context("the contract cannot be served")?;
    print!("{}", section(&serde_json::from_str(&contract)?, &configuration::all_settings()));
    Ok(())
}

fn section(contract: &Value, settings: &[Setting]) -> String {
    let mut text = String::from("Numbers that no setting changes:\n\n| what | at most |\n|---|---|\n");
    let services = Role::ALL.iter().flat_map(|role| programs::of(role.0).limits);
    for limit in services.chain(&LIBRARIES) {
        text.push_str(
            &format!("| {} | {} {} |\n", limit.of, grouped(limit.number), limit.unit).replace("  |", " |"),
        );
    }
    text.push_str(
        "\nWhat an installation sets, and the numbers of one that sets nothing (times in seconds):\n\n| setting | default | what it limits |\n|---|---|---|\n",
    );
    for setting in settings.iter().filter(|setting| OF_CLIENTS.iter().any(|part| setting.name.contains(part)))
    {
        let default = setting.default.as_deref().unwrap_or("none");
        text.push_str(&format!("| `{}` | {default} | {} |\n", setting.variables()[0], setting.doc));
    }
    text.push_str(
        "\nMembers of what is sent, texts in characters:\n\n| of | member | at most |\n|---|---|---|\n",
    );
    for (name, schema) in inputs(contract) {
        for (member, limits) in members(schema) {
            text.push_str(&format!("| {name} | `{member}` | {limits} |\n"));
        }
    }
    text
}

/// What can be sent: the schemas for creating, and bodies that have none of their own.
fn inputs(contract: &Value) -> Vec<(String, &Value)> {
    let schemas = contract["components"]["schemas"].as_object().into_iter().flatten();
    let named = schemas.filter_map(|(name, schema)| Some((name.strip_suffix("Input")?.to_owned(), schema)));
    let paths = contract["paths"].as_object().into_iter().flatten();
    let calls = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, call)| (path, method, call))
    });
    let bodies = calls.filter_map(|(path, method, call)| {
        let schema = &call["requestBody"]["content"]["application/json"]["schema"];
        let path = path.strip_prefix("/api/v1").unwrap_or(path);
        schema["properties"].is_object().then(|| (format!("`{} {path}`", method.to_uppercase()), schema))
    });
    // The map of a JSON library is in the order that the features of the build give it.
    let mut all: Vec<_> = named.chain(bodies).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// The members of a schema that have a limit.
fn members(schema: &Value) -> Vec<(&str, String)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut limited: Vec<_> = properties
        .filter_map(|(name, member)| {
            let entries = [&member["maxItems"], &member["maxProperties"]].into_iter().find_map(Value::as_u64);
            let each = [&member["items"], &member["additionalProperties"]].into_iter().find_map(one);
            let limits = match (entries, each) {
                (Some(entries), Some(each)) => format!("{} entries of {each}", grouped(entries)),
                (Some(entries), None) => format!("{} entries", grouped(entries)),
                (None, each) => each.or_else(|| one(member))?,
            };
            Some((name.as_str(), limits))
        })
        .collect();
    limited.sort();
    limited
}

/// The limit of one value.
fn one(value: &Value) -> Option<String> {
    if let Some(most) = value["maxLength"].as_u64() {
        return Some(grouped(most));
    }
    let (least, most) = (value["minimum"].as_i64()?, value["maximum"].as_i64()?);
    let sign = if least < 0 { "-" } else { "" };
    Some(format!("{sign}{} to {}", grouped(least.unsigned_abs()), grouped(most.unsigned_abs())))
}

/// `1048576` -> `1,048,576`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_groups_of_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_048_576, "1,048,576")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn the_section_has_what_the_contract_the_settings_and_the_code_limit() {
        let contract = serde_json::from_str(&gateway::openapi().unwrap()).unwrap();
        let text = section(&contract, &configuration::all_settings());
        for row in [
            "| JSON body | 1,048,576 bytes |",
            "| custom `long_text` | 10,000 characters |",
            "| `GLOBCRM_GATEWAY_RATE_TENANT_PER_MINUTE` | 60000 |",
            "| Contact | `first_name` | 100 |",
            "| Contact | `tags` | 50 entries of 60 |",
            "| Contact | `score` | -1,000,000 to 1,000,000 |",
            "| `POST /auth/login` | `email` | 254 |",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
    }
}
