//! Positions of a text's bytes in the YAML that contains the text.

/// The index in `source` of the byte `offset` of `text`, whose YAML begins at `start`.
///
/// Every notation of text in YAML (plain, quoted, block, folded) adds or removes only white space.
/// So the characters that are not white space are counted on both sides.
pub(super) fn index_of(source: &[char], start: usize, text: &str, offset: usize) -> usize {
    let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
    let count = before.chars().filter(|c| !c.is_whitespace()).count();
    let mut characters = YamlCharacters::at(source, start);
    let last = (0..count).fold(start, |last, _| characters.next_character().unwrap_or(last));
    let at_end = if count == 0 { start } else { last + 1 };
    match after.chars().next() {
        Some(c) if !c.is_whitespace() => characters.next_character().unwrap_or(at_end),
        _ => at_end.min(source.len()),
    }
}

/// The characters of a text that are not white space, in its YAML.
struct YamlCharacters<'a> {
    source: &'a [char],
    index: usize,
    quote: Option<char>,
}

impl YamlCharacters<'_> {
    fn at(source: &[char], start: usize) -> YamlCharacters<'_> {
        let quote = source.get(start).copied();
        let index = match quote {
            Some('|' | '>') => source[start..]
                .iter()
                .position(|&c| c == '\n')
                .map_or(source.len(), |line| start + line),
            Some('"' | '\'') => start + 1,
            _ => start,
        };
        YamlCharacters {
            source,
            index,
            quote: quote.filter(|quote| matches!(quote, '"' | '\'')),
        }
    }

    fn next_character(&mut self) -> Option<usize> {
        loop {
            let index = self.index;
            let c = *self.source.get(index)?;
            let next = self.source.get(index + 1).copied();
            self.index += 1;
            match (c, self.quote, next) {
                ('\\', Some('"'), Some(escape)) => {
                    self.index += 1 + digits(escape);
                    if !writes_white_space(escape) {
                        return Some(index);
                    }
                }
                ('\'', Some('\''), Some('\'')) => {
                    self.index += 1;
                    return Some(index);
                }
                (c, ..) if c.is_whitespace() => {}
                _ => return Some(index),
            }
        }
    }
}

/// The number of digits after an escape in double quotes (YAML 1.2.2 §5.7).
fn digits(escape: char) -> usize {
    match escape {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    }
}

fn writes_white_space(escape: char) -> bool {
    matches!(
        escape,
        't' | '\t' | 'n' | 'r' | 'v' | 'f' | ' ' | 'N' | '_' | 'L' | 'P' | '\n' | '\r'
    )
}
