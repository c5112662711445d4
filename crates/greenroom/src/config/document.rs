//! A configuration file: found, read, taken apart.

use std::io::Read as _;
use std::path::Path;

use super::excerpt::line_and_column;
use super::json::parse_json;
use super::problem::{Problem, failure_of};
use super::tree::{Node, parse_toml};
use crate::failure::Failure;

/// The file that `dev` reads when it is there.
pub(crate) const USUAL_NAME: &str = "greenroom.toml";

/// The largest file that is read: thousands of room rules.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A configuration file, read and taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// As it was named.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) root: Node,
}

impl Document {
    /// Reads the file called `name`: JSON when it ends in `.json`, TOML otherwise.
    ///
    /// # Errors
    /// When it cannot be read or is neither.
    pub(crate) fn read(name: &str) -> Result<Self, Failure> {
        let cannot =
            |why: &dyn std::fmt::Display| Failure::usage(format!("cannot read {name}: {why}"));
        let file = std::fs::File::open(name).map_err(|error| cannot(&error))?;
        let mut bytes = Vec::new();
        let mut limited = file.take(FILE_BYTES_MAX + 1);
        limited
            .read_to_end(&mut bytes)
            .map_err(|error| cannot(&error))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(cannot(&format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            cannot(&format!("it is not UTF-8 at byte {at}"))
        })?;
        Self::parse(name, text)
    }

    /// Takes `text` apart, as [`Self::read`].
    pub(crate) fn parse(name: &str, text: String) -> Result<Self, Failure> {
        let is_json = Path::new(name)
            .extension()
            .is_some_and(|ending| ending == "json");
        let parsed = if is_json {
            parse_json(&text)
        } else {
            parse_toml(&text)
        };
        let root = parsed.and_then(|root| root.table().map(|_| ()).map(|()| root));
        let name = name.to_owned();
        match root {
            Ok(root) => Ok(Self { name, text, root }),
            Err(wrong) => {
                let document = Self {
                    name: name.clone(),
                    text,
                    root: Node {
                        span: 0..0,
                        content: super::tree::Content::Table(Vec::new()),
                    },
                };
                let problem = Problem {
                    source: format!("{name} is not {}", if is_json { "JSON" } else { "TOML" }),
                    wrong: Box::new(wrong),
                    in_file: true,
                };
                Err(failure_of(&[problem], Some(&document)))
            }
        }
    }

    /// The line that a place is in, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        line_and_column(&self.text, at).0
    }
}
