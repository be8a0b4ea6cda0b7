//! Reading a company that was sent.

use error::Reason;
use field_types::{FieldError, email, money};
use input::Input;
use proto::records::v1 as pb;
use serde_json::{Value, json};

use crate::App;
use crate::contact_points;
use crate::contacts::parse::lifecycle;

/// Reads the fields named; all violations at once.
pub(crate) fn read(c: &pb::Company, names: &[&str], app: &App) -> Input {
    let mut input = Input::default();
    for name in names {
        match *name {
            "owner_id" => input.id("owner_id", c.owner_id.as_deref()),
            "team_id" => input.id("team_id", c.team_id.as_deref()),
            "external_ids" => input.external_ids(&c.external_ids),
            "tags" => input.tags(&c.tags),
            "name" => input.line("name", c.name.as_deref(), 300),
            "legal_name" => input.line("legal_name", c.legal_name.as_deref(), 300),
            "domains" => input.texts("domains", &c.domains, domain),
            "parent_id" => input.id("parent_id", c.parent_id.as_deref()),
            "industry" => input.line("industry", c.industry.as_deref(), 100),
            "employee_count" => employee_count(&mut input, c.employee_count),
            "annual_revenue" => annual_revenue(&mut input, c.annual_revenue.as_ref()),
            "phones" => contact_points::read_phones(&mut input, &c.phones, app.env.region),
            "addresses" => contact_points::read_addresses(&mut input, &c.addresses),
            "tax_id" => input.line("tax_id", c.tax_id.as_deref(), 60),
            "description" => input.lines("description", c.description.as_deref(), 10_000),
            "lifecycle" => lifecycle(&mut input, c.lifecycle),
            _ => {}
        }
    }
    input
}

/// A domain in lower case and ASCII, as it stands in an address of it.
fn domain(text: &str) -> Result<Option<String>, FieldError> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(None);
    }
    let address = email::parse(&format!("x@{trimmed}"));
    let found = address.ok().filter(|_| !trimmed.contains('@'));
    let found = found.as_deref().and_then(email::domain).map(str::to_owned);
    found.map(Some).ok_or_else(|| {
        FieldError::new(Reason::DOMAIN_INVALID, "an internet domain is expected, such as acme.com")
    })
}

fn employee_count(input: &mut Input, sent: Option<i32>) {
    if sent.is_some_and(|count| count < 0) {
        input.refuse("/employee_count", FieldError::new(Reason::OUT_OF_RANGE, "must not be negative"));
    } else {
        input.set("employee_count", sent);
    }
}

fn annual_revenue(input: &mut Input, sent: Option<&proto::common::v1::Money>) {
    let Some(sent) = sent else { return input.set("annual_revenue", Value::Null) };
    match money::parse(&json!({"amount_minor": sent.amount_minor, "currency": sent.currency})) {
        Ok(amount) if amount.amount_minor < 0 => {
            let error = FieldError::new(Reason::OUT_OF_RANGE, "must not be negative");
            input.refuse("/annual_revenue/amount_minor", error);
        }
        Ok(amount) => input.set("annual_revenue", amount.to_json()),
        Err(errors) => errors.into_iter().for_each(|error| input.refuse("/annual_revenue", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_lower_case_ascii_and_nothing_else() {
        assert_eq!(domain(" Acme.COM ").unwrap().as_deref(), Some("acme.com"));
        assert_eq!(domain("bücher.example").unwrap().as_deref(), Some("xn--bcher-kva.example"));
        for bad in ["acme", "https://acme.com", "a@acme.com", "acme com"] {
            assert_eq!(domain(bad).unwrap_err().reason, "DOMAIN_INVALID", "{bad}");
        }
    }

    #[test]
    fn revenue_is_an_amount_that_is_not_negative() {
        let amount = |amount_minor, currency: &str| {
            let mut input = Input::default();
            let money = proto::common::v1::Money { amount_minor, currency: currency.to_owned() };
            annual_revenue(&mut input, Some(&money));
            input
        };
        assert_eq!(amount(5, "EUR").fields["annual_revenue"], json!({"amount_minor": 5, "currency": "EUR"}));
        assert_eq!(
            amount(-5, "EUR").violations.iter().next().unwrap().pointer,
            "/annual_revenue/amount_minor"
        );
        assert_eq!(amount(5, "EUX").violations.iter().next().unwrap().reason, "CURRENCY_UNKNOWN");
    }
}
