//! The flags of a regex.

/// jq's flags of a regex. As in jq, `^` and `$` are the ends of the text, so that the flag `s` says
/// nothing new.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RegexFlags {
    pub(super) global: bool,
    pub(super) not_empty: bool,
    pub(super) case_insensitive: bool,
    pub(super) dot_matches_new_line: bool,
    pub(super) longest: bool,
    pub(super) ignore_whitespace: bool,
}

impl RegexFlags {
    pub(super) fn of(letters: &str) -> Result<RegexFlags, String> {
        let mut flags = RegexFlags::default();
        for letter in letters.chars() {
            match letter {
                'g' => flags.global = true,
                'n' => flags.not_empty = true,
                'i' => flags.case_insensitive = true,
                'm' | 'p' => flags.dot_matches_new_line = true,
                's' => {}
                'l' => flags.longest = true,
                'x' => flags.ignore_whitespace = true,
                other => return Err(format!("invalid regex flag: {other}")),
            }
        }
        Ok(flags)
    }

    /// The flags that a regex is compiled with.
    pub(super) fn of_compilation(self) -> RegexFlags {
        RegexFlags {
            global: false,
            ..self
        }
    }

    /// True where the flags need a search that goes back, which no automaton does.
    pub(super) fn backtracks(self) -> bool {
        self.not_empty || self.longest
    }
}
