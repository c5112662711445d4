//! A rough reading of Rust source, enough for the rules: what is code and what is comment, which
//! lines are tests, where functions begin and end.
//!
//! It leans on rustfmt: an item's closing brace stands alone at the indentation of its first line.

/// One source text split in two of the same shape: what does not belong is blanked with spaces,
/// line breaks stay.
#[derive(Debug)]
pub(crate) struct Split {
    /// Code without comments and without the contents of literals.
    pub(crate) code: String,
    /// Comments alone.
    pub(crate) comments: String,
}

/// A function with its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of its `fn`, counted from 1.
    pub(crate) line: usize,
    /// From the line of `fn` to the closing brace, both included.
    pub(crate) lines: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

struct Splitter {
    chars: Vec<char>,
    at: usize,
    split: Split,
}

/// Splits Rust source into code and comments.
pub(crate) fn split(source: &str) -> Split {
    let mut splitter = Splitter {
        chars: source.chars().collect(),
        at: 0,
        split: Split {
            code: String::with_capacity(source.len()),
            comments: String::with_capacity(source.len()),
        },
    };
    while splitter.at < splitter.chars.len() {
        splitter.step();
    }
    splitter.split
}

impl Splitter {
    fn step(&mut self) {
        if self.starts("//") {
            let end = self.find("\n", self.at).unwrap_or(self.chars.len());
            self.take(end, Kind::Comment);
        } else if self.starts("/*") {
            let end = self.block_comment_end();
            self.take(end, Kind::Comment);
        } else if let Some(end) = self.raw_string_end() {
            self.take(end, Kind::Literal);
        } else if self.starts("\"") {
            let end = self.quoted_end('"');
            self.take(end, Kind::Literal);
        } else if self.is_char_literal() {
            let end = self.quoted_end('\'');
            self.take(end, Kind::Literal);
        } else {
            self.take(self.at + 1, Kind::Code);
        }
    }

    /// Moves on to `end` and writes what lies between to the half it belongs to.
    fn take(&mut self, end: usize, kind: Kind) {
        let end = end.min(self.chars.len());
        for &c in &self.chars[self.at..end] {
            let blank = if c == '\n' { '\n' } else { ' ' };
            self.split
                .code
                .push(if kind == Kind::Code { c } else { blank });
            self.split
                .comments
                .push(if kind == Kind::Comment { c } else { blank });
        }
        self.at = end;
    }

    fn starts(&self, text: &str) -> bool {
        self.starts_at(self.at, text)
    }

    fn starts_at(&self, at: usize, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(i, c)| self.chars.get(at + i) == Some(&c))
    }

    fn find(&self, text: &str, from: usize) -> Option<usize> {
        (from..self.chars.len()).find(|&at| self.starts_at(at, text))
    }

    fn block_comment_end(&self) -> usize {
        let mut depth = 0;
        let mut at = self.at;
        while at < self.chars.len() {
            if self.starts_at(at, "/*") {
                depth += 1;
                at += 2;
            } else if self.starts_at(at, "*/") {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            } else {
                at += 1;
            }
        }
        at
    }

    /// Where the raw string ends that begins here, if one does.
    fn raw_string_end(&self) -> Option<usize> {
        let inside_word = self.at > 0 && is_word(self.chars[self.at - 1]);
        let prefix = ["r", "br", "cr"]
            .into_iter()
            .find(|prefix| self.starts(prefix))?;
        if inside_word {
            return None;
        }
        let hashes_at = self.at + prefix.len();
        let hashes = self.chars[hashes_at..]
            .iter()
            .take_while(|&&c| c == '#')
            .count();
        let quote_at = hashes_at + hashes;
        if self.chars.get(quote_at) != Some(&'"') {
            return None;
        }
        let close = format!("\"{}", "#".repeat(hashes));
        let end = self.find(&close, quote_at + 1).map(|at| at + close.len());
        Some(end.unwrap_or(self.chars.len()))
    }

    /// Whether the quote here opens a character and not a lifetime.
    fn is_char_literal(&self) -> bool {
        self.starts("'")
            && (self.chars.get(self.at + 1) == Some(&'\\')
                || self.chars.get(self.at + 2) == Some(&'\''))
    }

    fn quoted_end(&self, quote: char) -> usize {
        let mut at = self.at + 1;
        while at < self.chars.len() {
            match self.chars[at] {
                '\\' => at += 2,
                c if c == quote => return at + 1,
                _ => at += 1,
            }
        }
        at
    }
}

/// Whether `c` may stand in an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Whether `text` holds `needle` as a word of its own: no identifier character touches its ends.
pub(crate) fn has_word(text: &str, needle: &str) -> bool {
    text.match_indices(needle).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + needle.len()..].chars().next();
        let free_before = !needle.starts_with(is_word) || !before.is_some_and(is_word);
        let free_after = !needle.ends_with(is_word) || !after.is_some_and(is_word);
        free_before && free_after
    })
}

/// For each line of `code` whether it belongs to an item under `#[cfg(test)]`.
pub(crate) fn test_lines(code: &str) -> Vec<bool> {
    let lines: Vec<&str> = code.lines().collect();
    let mut tests = vec![false; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        let end = if lines[at].trim_start().starts_with("#[cfg(test)]") {
            item_end(&lines, at)
        } else {
            at
        };
        if end > at {
            tests[at..=end].fill(true);
        }
        at = end + 1;
    }
    tests
}

/// The last line of the item whose first attribute or keyword stands on line `start`.
fn item_end(lines: &[&str], start: usize) -> usize {
    let first = (start..lines.len())
        .find(|&at| {
            let line = lines[at].trim();
            !line.is_empty() && !line.starts_with("#[")
        })
        .unwrap_or(start);
    block_end(lines, first).unwrap_or(first)
}

/// The line of the brace that closes the block of the item beginning on line `start`; `None` for
/// an item without a block.
fn block_end(lines: &[&str], start: usize) -> Option<usize> {
    let indent = indent(lines[start]);
    for (at, line) in lines.iter().enumerate().skip(start) {
        let ends_here = at == start || self::indent(line) == indent;
        let text = line.trim();
        if ends_here && text.ends_with(';') {
            return None;
        }
        let closes = if at == start {
            text.ends_with('}')
        } else {
            text == "}"
        };
        if ends_here && closes {
            return Some(at);
        }
    }
    None
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Every function of `code` that has a body.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        if let Some(end) = block_end(&lines, at) {
            found.push(Function {
                name,
                line: at + 1,
                lines: end - at + 1,
            });
        }
    }
    found
}

/// The name of the function that is declared on this line.
fn function_name(line: &str) -> Option<String> {
    const BEFORE: [&str; 7] = ["pub", "const", "async", "unsafe", "extern", "default", "fn"];
    let mut words = line.split_whitespace();
    loop {
        let word = words.next()?;
        let keyword = word.split('(').next().unwrap_or(word);
        if !BEFORE.contains(&keyword) {
            return None;
        }
        if word == "fn" {
            let name: String = words.next()?.chars().take_while(|&c| is_word(c)).collect();
            return (!name.is_empty()).then_some(name);
        }
    }
}
