//! JSON on several lines, without reading its numbers.

/// The JSON text with a line for each field and item, two spaces deeper at each level.
pub fn indented(json: &str) -> String {
    let mut lines = String::with_capacity(2 * json.len());
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut characters = json.chars().peekable();
    while let Some(c) = characters.next() {
        let was_in_text = in_text;
        in_text ^= c == '"' && !escaped;
        escaped = was_in_text && c == '\\' && !escaped;
        match c {
            _ if in_text || was_in_text => lines.push(c),
            '{' | '['
                if characters
                    .next_if(|&next| next == '}' || next == ']')
                    .is_some() =>
            {
                lines.push_str(if c == '{' { "{}" } else { "[]" });
            }
            '{' | '[' => {
                lines.push(c);
                depth += 1;
                begin_line(&mut lines, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                begin_line(&mut lines, depth);
                lines.push(c);
            }
            ',' => {
                lines.push(c);
                begin_line(&mut lines, depth);
            }
            ':' => lines.push_str(": "),
            c if c.is_whitespace() => {}
            c => lines.push(c),
        }
    }
    lines
}

fn begin_line(lines: &mut String, depth: usize) {
    lines.push('\n');
    lines.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_those_of_serde_json_and_numbers_keep_their_digits() {
        let json = r#"{"a":[1,{"b":"x, \"{y}\": [\\"},[],{}],"c":{"d":null},"e":""}"#;
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(
            indented(json),
            serde_json::to_string_pretty(&value).unwrap()
        );
        assert_eq!(
            indented("[1.10, 12345678901234567890.5]"),
            "[\n  1.10,\n  12345678901234567890.5\n]"
        );
    }
}
