use super::*;

fn settings() -> Settings {
    let json = r#"[
      {"role":"identity","name":"AMQP_URL","variable":"GLOBCRM_IDENTITY_AMQP_URL","kind":"secret","secret":true,"required":true,"default":null,"doc":"x"},
      {"role":"identity","name":"DATABASE_URL","variable":"GLOBCRM_IDENTITY_DATABASE_URL","kind":"secret","secret":true,"required":true,"default":null,"doc":"x"},
      {"role":"identity","name":"OLD","variable":"GLOBCRM_IDENTITY_OLD","kind":"secret","secret":true,"required":false,"default":null,"doc":"x"},
      {"role":"identity","name":"LOG","variable":"GLOBCRM_IDENTITY_LOG","kind":"text","secret":false,"required":false,"default":"info","doc":"x"},
      {"role":"fields","name":"LOG","variable":"GLOBCRM_FIELDS_LOG","kind":"text","secret":false,"required":false,"default":"info","doc":"x"},
      {"role":"fields","name":"IDENTITY_URL","variable":"GLOBCRM_FIELDS_IDENTITY_URL","kind":"text","secret":false,"required":true,"default":null,"doc":"x"},
      {"role":"migrate","name":"ADMIN_URL","variable":"GLOBCRM_MIGRATE_ADMIN_URL","kind":"secret","secret":true,"required":true,"default":null,"doc":"x"}
    ]"#;
    Settings::read(json).unwrap()
}

#[test]
fn a_secret_that_all_share_has_one_key_and_others_have_their_variables() {
    let file = fleet_file::of(&settings());
    let keys: Vec<&Value> =
        file["roles"][0]["secrets"].as_array().unwrap().iter().map(|secret| &secret["key"]).collect();
    assert_eq!(keys, ["GLOBCRM_FLEET_AMQP_URL", "GLOBCRM_IDENTITY_DATABASE_URL", "GLOBCRM_IDENTITY_OLD"]);
    assert_eq!(settings().optional_keys(), ["GLOBCRM_IDENTITY_OLD"]);
}

#[test]
fn migrations_get_their_own_secret_and_the_urls_of_every_schema_and_nothing_else() {
    let file = fleet_file::of(&settings());
    let of: Vec<&Value> =
        file["migrate"]["secrets"].as_array().unwrap().iter().map(|secret| &secret["variable"]).collect();
    assert_eq!(of, ["GLOBCRM_IDENTITY_DATABASE_URL", "GLOBCRM_MIGRATE_ADMIN_URL"]);
}

#[test]
fn what_the_chart_decides_and_secrets_are_no_values() {
    let given: Vec<&str> = fleet::Role::ALL
        .into_iter()
        .flat_map(|role| settings().given(role).into_iter().map(|one| one.name.clone()).collect::<Vec<_>>())
        .map(|name| if name == "LOG" { "LOG" } else { "another" })
        .collect();
    assert_eq!(given, ["LOG", "LOG"]);
    assert_eq!(settings().given_to_all().len(), 1);
}

#[test]
fn every_service_of_the_fleet_has_a_place_in_the_values() {
    let schema = schema::of(&values::values(&settings()));
    for member in fleet::FLEET {
        let role = &schema["properties"]["roles"]["properties"][member.names.name];
        assert_eq!(role["additionalProperties"], false, "{}", member.names.name);
        assert!(role["properties"]["settings"].is_object(), "{}", member.names.name);
    }
}

/// Objects that list what is in them refuse everything else.
#[test]
fn no_group_of_values_takes_a_name_that_it_does_not_know() {
    fn look(path: &str, schema: &Value) {
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], false, "{path}");
            for (name, child) in properties {
                look(&format!("{path}/{name}"), child);
            }
        }
    }
    look("", &schema::of(&values::values(&settings())));
}

#[test]
fn members_are_in_one_order_whatever_the_order_they_were_given_in() {
    let one: Value = serde_json::from_str(r#"{"b":{"d":1,"c":2},"a":[{"z":1,"y":2}]}"#).unwrap();
    let other: Value = serde_json::from_str(r#"{"a":[{"y":2,"z":1}],"b":{"c":2,"d":1}}"#).unwrap();
    assert_eq!(text(&one), text(&other));
}
