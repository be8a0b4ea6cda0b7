//! JSON that callers send inside a message.

use serde_json::{Map, Number, Value};

/// Merges a patch into a value (RFC 7396): objects are merged member by member, `null` removes a member, and anything else replaces
/// what is there.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(object) = target else { return };
    for (name, value) in members {
        if value.is_null() {
            object.remove(&name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The one text of all that mean the same: members sorted, no white space, the same escapes, whole numbers without a fraction. What is not
/// JSON stays as it is.
pub fn canonical(json: &[u8]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(json) else { return json.to_vec() };
    normalize(&mut value);
    serde_json::to_vec(&value).unwrap_or_else(|_| json.to_vec())
}

fn normalize(value: &mut Value) {
    /// Beyond it, neighbouring whole numbers are the same float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64());
            if let Some(float) = float.filter(|float| float.fract() == 0.0 && float.abs() <= EXACT) {
                *number = Number::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalize),
        Value::Object(members) => members.values_mut().for_each(normalize),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn the_examples_of_the_rfc_come_out_as_it_says() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), Value::Null, Value::Null),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut value = target.clone();
            merge(&mut value, patch.clone());
            assert_eq!(value, result, "{target} {patch}");
        }
    }

    #[test]
    fn what_means_the_same_has_one_text_and_what_does_not_has_another() {
        let one = |text: &str| String::from_utf8(canonical(text.as_bytes())).unwrap();
        for (a, b) in [
            (r#"{"a":"1","b":"2"}"#, r#" {"b" : "2", "a":"1"}"#),
            (r#"{"n":5}"#, r#"{"n":5.0}"#),
            (r#"{"n":500}"#, r#"{"n":5e2}"#),
            (r#"{"n":0}"#, r#"{"n":-0.0}"#),
            (r#"{"n":2.50}"#, r#"{"n":2.5}"#),
            ("{\"t\":\"Zoë\"}", r#"{"t":"Zo\u00eb"}"#),
            (r#"{"t":"a/b"}"#, r#"{"t":"a\/b"}"#),
            (r#"{"m":{"x":1,"y":[{"a":1,"b":2.0}]}}"#, r#"{"m":{"y":[{"b":2,"a":1.0}],"x":1.0}}"#),
        ] {
            assert_eq!(one(a), one(b), "{a} {b}");
        }
        for (a, b) in [
            (r#"{"n":5}"#, r#"{"n":"5"}"#),
            (r#"{"l":[1,2]}"#, r#"{"l":[2,1]}"#),
            (r#"{"n":9007199254740993}"#, r#"{"n":9007199254740992}"#),
            (r#"{"n":null}"#, "{}"),
        ] {
            assert_ne!(one(a), one(b), "{a} {b}");
        }
        assert_eq!(one("not json"), "not json");
    }
}
