//! As much of JSON Schema (2020-12) as our documents use. A keyword that is not known here fails, so that nothing passes
//! because it was not looked at.

use serde_json::Value;

/// Says nothing about which values are valid.
const ANNOTATIONS: [&str; 6] = ["description", "title", "default", "examples", "example", "writeOnly"];

/// Whether the value is what the schema describes.
pub fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    at("", document, schema, value)
}

fn at(place: &str, document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = schema.as_object().ok_or_else(|| format!("{place}: there is no schema"))?;
    for (keyword, rule) in schema {
        let holds = match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a reference is local");
                let target = document.pointer(pointer).ok_or_else(|| format!("{place}: nothing is at {pointer}"))?;
                at(place, document, target, value)?;
                true
            }
            "type" => match rule {
                Value::String(name) => is_of_type(name, value),
                Value::Array(names) => names.iter().filter_map(Value::as_str).any(|name| is_of_type(name, value)),
                _ => false,
            },
            "oneOf" => {
                let schemas = rule.as_array().ok_or("oneOf is a list")?;
                schemas.iter().filter(|schema| at(place, document, schema, value).is_ok()).count() == 1
            }
            "required" => {
                let names = rule.as_array().ok_or("required is a list")?;
                // Like every keyword for objects, it says nothing of other values.
                !value.is_object() || names.iter().filter_map(Value::as_str).all(|name| value.get(name).is_some())
            }
            "properties" => {
                members(place, document, schema.get("additionalProperties"), rule, value)?;
                true
            }
            "additionalProperties" => {
                if !schema.contains_key("properties") {
                    members(place, document, Some(rule), &Value::Null, value)?;
                }
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    at(&format!("{place}/{index}"), document, rule, item)?;
                }
                true
            }
            // `propertyNames` says of our maps only that their members are named by strings, which JSON says too.
            "propertyNames" => *rule == serde_json::json!({"type": "string"}),
            "format" => value.as_str().is_none_or(|text| has_format(rule.as_str().unwrap_or_default(), text)),
            "minimum" => value.as_f64().is_none_or(|number| rule.as_f64().is_some_and(|least| number >= least)),
            "maximum" => value.as_f64().is_none_or(|number| rule.as_f64().is_some_and(|most| number <= most)),
            annotation if ANNOTATIONS.contains(&annotation) => true,
            unknown => return Err(format!("{place}: the checker does not know '{unknown}'; teach it")),
        };
        if !holds {
            return Err(format!("{place}: {keyword} {rule} does not hold for {value}"));
        }
    }
    Ok(())
}

/// Checks an object's members. Those that nobody described are refused: the document is to be complete.
fn members(place: &str, document: &Value, others: Option<&Value>, known: &Value, value: &Value) -> Result<(), String> {
    for (name, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}/{name}");
        match (known.get(name), others) {
            (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => at(&place, document, schema, member)?,
            (None, _) => return Err(format!("{place}: is not documented")),
        }
    }
    Ok(())
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        "uuid" => text.parse::<uuid::Uuid>().is_ok(),
        "date-time" => text.parse::<regcred::domain::timestamp::Timestamp>().is_ok(),
        "password" => true,
        // Formats of numbers, on strings.
        _ => false,
    }
}

#[test]
fn the_checker_refuses_what_a_schema_does_not_describe() {
    let document = serde_json::json!({"a": {"type": "object", "required": ["n"], "properties": {
        "n": {"type": ["integer", "null"], "minimum": 1},
        "t": {"type": "string", "format": "uuid"},
        "l": {"type": "array", "items": {"type": "boolean"}}}}});
    let schema = serde_json::json!({"$ref": "#/a"});
    let accepts = |text: &str| check(&document, &schema, &serde_json::from_str(text).unwrap()).is_ok();
    assert!(accepts(r#"{"n": 1}"#) && accepts(r#"{"n": null, "l": [true]}"#));
    for text in [r#""n""#, "{}", r#"{"n": 0}"#, r#"{"n": "1"}"#, r#"{"n": 1, "t": "x"}"#, r#"{"n": 1, "l": [1]}"#] {
        assert!(!accepts(text), "{text}");
    }
    assert!(!accepts(r#"{"n": 1, "secret": "x"}"#), "a member that nobody described");
    assert!(check(&document, &serde_json::json!({"pattern": "x"}), &Value::Null).is_err(), "an unknown keyword");
}
