//! The blocks of commands of a page of Markdown.

/// A block of commands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    /// What its fence says behind `sh`.
    pub(super) marks: Vec<String>,
    /// Its lines.
    pub(super) text: String,
}

/// The blocks of `text` that are fenced as `sh`.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(info)) => {
                let mut words = info.split(',').map(str::trim);
                let is_ours = words.next() == Some("sh");
                let block = Block {
                    line: at + 1,
                    marks: words.map(str::to_owned).collect(),
                    text: String::new(),
                };
                // A block of something else is read past like one of ours, and dropped.
                open = Some(block);
                if !is_ours {
                    open.as_mut().expect("just set").line = 0;
                }
            }
            (Some(_), Some(_)) => blocks.extend(open.take().filter(|block| block.line > 0)),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn a_fence_says_what_it_needs() {
    let page = "a\n```sh\nb\nc\n```\n```json\n{}\n```\n```sh,root\nd\n```\n";
    let block = |line, marks: &[&str], text: &str| Block {
        line,
        marks: marks.iter().map(|mark| (*mark).to_owned()).collect(),
        text: text.to_owned(),
    };
    assert_eq!(
        blocks(page),
        [block(2, &[], "b\nc\n"), block(9, &["root"], "d\n")]
    );
}
