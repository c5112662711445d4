//! What can be typed behind `room versions`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The commands of `room versions`.
#[derive(Debug, Subcommand)]
pub(crate) enum VersionsCommand {
    /// List the versions of a document, newest first
    #[command(after_help = "Examples:
  greenroom room versions ls design/17
  greenroom room versions ls design/17 --document notes --json")]
    Ls(VersionsLsOptions),
    /// Keep the state of now as a version
    #[command(after_help = "Examples:
  greenroom room versions keep design/17 --label 'before the review'")]
    Keep(VersionsKeepOptions),
    /// Show what a version holds
    #[command(after_help = "Examples:
  greenroom room versions show design/17 1764063271000
  greenroom room versions show design/17 1764063271000 --as text --root body
  greenroom room versions show design/17 1764063271000 --as update -o design.update")]
    Show(VersionsShowOptions),
    /// Show what is different between a version and another, or now
    #[command(
        after_help = "Without --json a unified diff of lines: texts as they are, XML with a line for each tag, the rest as \
JSON. With it a JSON Patch (RFC 6902).

Examples:
  greenroom room versions diff design/17 1764063271000
  greenroom room versions diff design/17 1764063271000 1764066871000 --json"
    )]
    Diff(VersionsDiffOptions),
    /// Bring a version back by a new edit
    #[command(
        after_help = "Nothing is rewritten: it is an edit like any other, and everybody who has the document open sees it. The \
state from before is kept as a version.

Examples:
  greenroom room versions restore design/17 1764063271000"
    )]
    Restore(VersionsRestoreOptions),
    /// Drop versions
    #[command(after_help = "Examples:
  greenroom room versions rm design/17 1764063271000")]
    Rm(VersionsRmOptions),
}

/// The form of a version.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum VersionForm {
    /// JSON: all roots by name, or the one that is named
    Json,
    /// The text of a root
    Text,
    /// The XML of a root
    Xml,
    /// A Yjs update, v1
    Update,
}

/// Which document of which room.
#[derive(Args, Debug)]
pub(crate) struct DocumentOptions {
    /// The room's name
    #[arg(value_name = "ROOM")]
    pub(crate) room: String,
    /// The document's name [default: the room's default document]
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
}

/// Options of `room versions ls`.
#[derive(Args, Debug)]
pub(crate) struct VersionsLsOptions {
    #[command(flatten)]
    pub(crate) of: DocumentOptions,
}

/// Options of `room versions keep`.
#[derive(Args, Debug)]
pub(crate) struct VersionsKeepOptions {
    #[command(flatten)]
    pub(crate) of: DocumentOptions,
    /// What to call it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) label: String,
}

/// Options of `room versions show`.
#[derive(Args, Debug)]
pub(crate) struct VersionsShowOptions {
    #[command(flatten)]
    pub(crate) of: DocumentOptions,
    /// The version's id
    #[arg(value_name = "ID")]
    pub(crate) id: u64,
    /// In which form
    #[arg(long = "as", value_name = "FORM", default_value = "json")]
    pub(crate) form: VersionForm,
    /// The root type's name
    #[arg(long, value_name = "NAME")]
    pub(crate) root: Option<String>,
    /// Where to; `-` is stdout
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
}

/// Options of `room versions diff`.
#[derive(Args, Debug)]
pub(crate) struct VersionsDiffOptions {
    #[command(flatten)]
    pub(crate) of: DocumentOptions,
    /// The version's id
    #[arg(value_name = "ID")]
    pub(crate) id: u64,
    /// The other version's id [default: now]
    #[arg(value_name = "OTHER")]
    pub(crate) to: Option<u64>,
    /// Only this root type
    #[arg(long, value_name = "NAME")]
    pub(crate) root: Option<String>,
}

/// Options of `room versions restore`.
#[derive(Args, Debug)]
pub(crate) struct VersionsRestoreOptions {
    #[command(flatten)]
    pub(crate) of: DocumentOptions,
    /// The version's id
    #[arg(value_name = "ID")]
    pub(crate) id: u64,
}

/// Options of `room versions rm`.
#[derive(Args, Debug)]
pub(crate) struct VersionsRmOptions {
    #[command(flatten)]
    pub(crate) of: DocumentOptions,
    /// The versions' ids
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<u64>,
}
