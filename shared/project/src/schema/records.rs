//! Records as the validator sees them: unchanged, with all digits of each number.

use std::{borrow::Cow, collections::HashSet};

use jaq_json::{Map, Num};
use jsonschema::{
    JsonType,
    json::{Array, Json, JsonNumber, Node, NodeIdentity, Object},
};
use pomost_expression::{ExactNumber, Value, canonical, equal, text, to_json};
use serde_json::Value as Schema;

/// The JSON of records, for the validator.
pub(super) struct RecordJson;

impl Json for RecordJson {
    type Node<'a> = &'a Value;
    type PreparedKey = Value;
    type StringBuffer = ();

    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> Value {
        Value::from(key.to_owned())
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(&Value) -> T) -> T {
        f(&Value::from(string.to_owned()))
    }
}

impl<'a> Node<'a, RecordJson> for &'a Value {
    type Object = &'a Map<Value, Value>;
    type Array = &'a [Value];
    type Number = RecordNumber<'a>;

    fn as_object(&self) -> Option<Self::Object> {
        match self {
            Value::Obj(fields) => Some(fields),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<Self::Array> {
        match self {
            Value::Arr(items) => Some(items),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            Value::TStr(text) | Value::BStr(text) => Some(String::from_utf8_lossy(text)),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<RecordNumber<'a>> {
        match self {
            Value::Num(number) => Some(RecordNumber(number)),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    fn json_type(&self) -> JsonType {
        match self {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Num(_) => JsonType::Number,
            Value::TStr(_) | Value::BStr(_) => JsonType::String,
            Value::Arr(_) => JsonType::Array,
            Value::Obj(_) => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Schema) -> bool {
        match (self, expected) {
            (Value::Null, Schema::Null) => true,
            (Value::Bool(truth), Schema::Bool(expected)) => truth == expected,
            (Value::TStr(text), Schema::String(expected)) => ***text == *expected.as_bytes(),
            (Value::Num(number), Schema::Number(expected)) => RecordNumber(number).equals(expected),
            (Value::Arr(items), Schema::Array(expected)) => {
                let mut pairs = items.iter().zip(expected);
                items.len() == expected.len()
                    && pairs.all(|(item, expected)| item.equals_value(expected))
            }
            (Value::Obj(fields), Schema::Object(expected)) => {
                let is_there = |(name, expected): (&String, &Schema)| {
                    fields
                        .get(&RecordJson::prepare_key(name))
                        .is_some_and(|field| field.equals_value(expected))
                };
                fields.len() == expected.len() && expected.iter().all(is_there)
            }
            _ => false,
        }
    }

    fn to_value(&self) -> Cow<'a, Schema> {
        Cow::Owned(to_json(self))
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref::<Value>(self) as usize))
    }
}

impl<'a> Object<'a, RecordJson> for &'a Map<Value, Value> {
    type Node = &'a Value;
    type MemberName = Cow<'a, str>;
    type MembersIter = ObjectMembers<'a>;

    fn len(&self) -> usize {
        Map::len(self)
    }

    fn get(&self, key: &Value) -> Option<&'a Value> {
        Map::get(self, key)
    }

    fn members(&self) -> ObjectMembers<'a> {
        ObjectMembers(self.iter())
    }
}

/// The fields of an object.
pub(super) struct ObjectMembers<'a>(<&'a Map<Value, Value> as IntoIterator>::IntoIter);

impl<'a> Iterator for ObjectMembers<'a> {
    type Item = (Cow<'a, str>, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, field) = self.0.next()?;
        Some((
            name.as_string()
                .unwrap_or_else(|| text(name).unwrap_or_default().into()),
            field,
        ))
    }
}

impl<'a> Array<'a, RecordJson> for &'a [Value] {
    type Node = &'a Value;
    type ElementsIter = std::slice::Iter<'a, Value>;

    fn len(&self) -> usize {
        <[Value]>::len(self)
    }

    fn elements(&self) -> Self::ElementsIter {
        self.iter()
    }

    fn is_unique(&self) -> bool {
        if let [first, second] = self {
            return !equal(first, second);
        }
        let mut seen = HashSet::new();
        self.iter()
            .all(|item| canonical(item).is_none_or(|item| seen.insert(item)))
    }
}

/// A number of a record.
pub(super) struct RecordNumber<'a>(pub(super) &'a Num);

impl RecordNumber<'_> {
    /// The exact value. None for infinity and not-a-number, which JSON does not have.
    pub(super) fn exact(&self) -> Option<ExactNumber> {
        ExactNumber::of_number(self.0)
    }

    fn equals(&self, expected: &serde_json::Number) -> bool {
        match (self.0, expected.as_i64()) {
            (Num::Int(number), Some(expected)) => *number as i64 == expected,
            _ => self
                .exact()
                .is_some_and(|number| Some(number) == ExactNumber::parse(&expected.to_string())),
        }
    }
}

impl JsonNumber for RecordNumber<'_> {
    fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Num::Int(number) => u64::try_from(*number).ok(),
            _ => self.exact()?.canonical()?.parse().ok(),
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Num::Int(number) => Some(*number as i64),
            _ => self.exact()?.canonical()?.parse().ok(),
        }
    }

    /// None also where the float would be another number.
    fn as_f64(&self) -> Option<f64> {
        let float: f64 = self.as_str().parse().ok()?;
        let exact = self.exact()?;
        (ExactNumber::parse(&format!("{float:e}"))? == exact).then_some(float)
    }

    fn as_str(&self) -> Cow<'_, str> {
        match self.0 {
            Num::Dec(text) => Cow::Borrowed(text),
            number => Cow::Owned(number.to_string()),
        }
    }

    fn to_number(&self) -> Cow<'_, serde_json::Number> {
        match to_json(&Value::Num(self.0.clone())) {
            Schema::Number(number) => Cow::Owned(number),
            _ => Cow::Owned(0.into()),
        }
    }

    fn is_integer(&self) -> bool {
        match self.0 {
            Num::Int(_) | Num::BigInt(_) => true,
            _ => self.exact().is_some_and(|number| number.is_integer()),
        }
    }
    fn is_written_as_integer(&self) -> bool {
        matches!(self.0, Num::Int(_) | Num::BigInt(_))
    }
}
