//! The line of a file that something is wrong with, and a caret under the place.

use std::ops::Range;

/// A longer line is cut: no option of ours needs more.
const SHOWN_CHARS_MAX: usize = 160;

/// The text before the place that is kept when a line is cut.
const BEFORE_CHARS: usize = 40;

/// Where in `text` a byte is, both from 1, the column in characters.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// Shows the line at `span` of `text`, which is called `name`, with a mark and `label` under it.
///
/// A secret in the line is not shown: the output may end in a log.
pub(super) fn excerpt(name: &str, text: &str, span: &Range<usize>, label: Option<&str>) -> String {
    let (line, column) = line_and_column(text, span.start);
    let whole = text.lines().nth(line - 1).unwrap_or_default();
    let whole = hide_secret(whole);
    let in_line = text
        .get(span.clone())
        .and_then(|marked| marked.lines().next());
    let skipped = match column > SHOWN_CHARS_MAX {
        true => column - BEFORE_CHARS,
        false => 0,
    };
    let shown: String = whole
        .chars()
        .skip(skipped)
        .take(SHOWN_CHARS_MAX)
        .map(printable)
        .collect();
    let at = column - 1 - skipped;
    let width = in_line.map_or(0, |marked| marked.chars().count());
    let width = width.min(shown.chars().count().saturating_sub(at)).max(1);
    let bend = (width / 2).min(2);
    let mark = format!("{}┬{}", "─".repeat(bend), "─".repeat(width - 1 - bend));
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let label = label.map_or_else(String::new, |label| format!("  {label}"));
    format!(
        "{gutter} ╭─[{name}:{line}:{column}]\n{number} │ {}\n{gutter} │ {}{mark}{label}",
        shown.trim_end(),
        " ".repeat(at),
    )
}

/// One column each, whatever a file holds.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// What is behind the key of a secret is not shown, whatever it is.
fn hide_secret(line: &str) -> String {
    let assigned = line.find(['=', ':']).unwrap_or(line.len());
    let (key, value) = line.split_at(assigned);
    let is_path = key.trim_end().trim_end_matches('"').ends_with("_file");
    if is_path || !(key.contains("secret") || value.contains("sk_")) {
        return line.to_owned();
    }
    // As wide as it was, so that the mark stays where it belongs.
    let hidden = value
        .chars()
        .skip(1)
        .map(|c| if c == ' ' { ' ' } else { '·' });
    key.chars()
        .chain(value.chars().take(1))
        .chain(hidden)
        .collect()
}
