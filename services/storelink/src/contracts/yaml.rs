use serde_json::Value;

/// A JSON value as YAML. Numbers keep their exact text inside the program, which the writer of YAML
/// would show as a structure of its own: they become plain numbers first.
pub(crate) fn to_string(value: &Value) -> anyhow::Result<String> {
    Ok(serde_norway::to_string(&plain(value))?)
}

fn plain(value: &Value) -> serde_norway::Value {
    match value {
        Value::Null => serde_norway::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => serde_norway::Value::Sequence(items.iter().map(plain).collect()),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| (name.as_str().into(), plain(value));
            serde_norway::Value::Mapping(members.iter().map(member).collect())
        }
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().unwrap_or_default().into(),
        },
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_numbers() {
        let value = serde_json::json!({ "minimum": 1, "least": -2, "text": "3" });
        let yaml = super::to_string(&value).unwrap();
        assert_eq!(yaml, "least: -2\nminimum: 1\ntext: '3'\n");
    }
}
