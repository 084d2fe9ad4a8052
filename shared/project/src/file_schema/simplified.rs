//! JSON Schemas of types, in plain words.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The JSON Schema of a type, without references and simplified.
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    // Without references, the schema at a value's JSON pointer is found by following the pointer.
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    simplify(&mut schema);
    schema
}

/// Simplifies a schema without changing its meaning, for the completion in editors and for errors
/// that name one thing. An optional value may be left out but not be null, a choice of single
/// fields is an object with exactly one of them, and an object has only the fields that it names.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            without_null(object);
            merge_choice(object);
            if object.contains_key("properties") {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            object.values_mut().for_each(simplify);
        }
        Value::Array(items) => items.iter_mut().for_each(simplify),
        _ => {}
    }
}

fn without_null(object: &mut Map<String, Value>) {
    object.retain(|name, value| !(name == "default" && value.is_null()));
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (name, value) in only {
            object.entry(name).or_insert(value);
        }
    }
}

fn merge_choice(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("oneOf") else {
        return;
    };
    let single = |choice: &Value| {
        let properties = choice.get("properties")?.as_object()?;
        (properties.len() == 1).then(|| properties.clone())
    };
    let Some(fields) = choices
        .iter()
        .map(|choice| Some((single(choice)?, choice)))
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let mut properties = Map::new();
    for (mut field, choice) in fields {
        if let (Some(description), Some(Value::Object(value))) =
            (choice.get("description"), field.values_mut().next())
        {
            value.insert("description".into(), description.clone());
        }
        properties.append(&mut field);
    }
    object.remove("oneOf");
    object.insert("type".into(), json!("object"));
    object.insert("properties".into(), Value::Object(properties));
    object.insert("minProperties".into(), json!(1));
    object.insert("maxProperties".into(), json!(1));
}
