//! What can be typed behind `room`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::versions::VersionsCommand;

/// The commands of `room`.
#[derive(Debug, Subcommand)]
pub(crate) enum RoomCommand {
    /// List the rooms
    #[command(
        after_help = "Patterns: `*` stands for anything but `/`, `**` for anything. Rooms that people are in and nobody wrote to are listed too.

Examples:
  greenroom room ls
  greenroom room ls 'design/*'
  greenroom room ls --loaded --json"
    )]
    Ls(RoomLsOptions),
    /// Show a room: who is in it, what it holds
    #[command(after_help = "Examples:
  greenroom room show design/17
  greenroom room show design/17 --json")]
    Show(RoomShowOptions),
    /// Show what happens in a room, as it happens
    #[command(
        after_help = "A line is a time (UTC), the seq of a record or `-`, who, what, and details. With --json a line is an \
object with `event` and what the event says. Ends with Ctrl-C, or when the room or the server does.

Examples:
  greenroom room tail design/17
  greenroom room tail design/17 --from 1            # what the journal still has, then what comes
  greenroom room tail design/17 --kind document --user bob --json"
    )]
    Tail(RoomTailOptions),
    /// Write a room into a file
    #[command(
        after_help = "Every piece is checked on its way; the file is written beside its name and gets it when it is whole.

Examples:
  greenroom room export design/17                   # into design-17.room
  greenroom room export design/17 -o backup.room
  greenroom room export design/17 -o - | zstd > design-17.room.zst"
    )]
    Export(RoomExportOptions),
    /// Make a room out of a file
    #[command(
        after_help = "The file is checked before it is sent. A room that was ever written to is not imported into.

Examples:
  greenroom room import design-17.room              # under the name that it had
  greenroom room import design-17.room --as copy/17
  zstd -d < design-17.room.zst | greenroom room import -"
    )]
    Import(RoomImportOptions),
    /// Keep versions of a document, compare them, bring one back
    #[command(subcommand, arg_required_else_help = true)]
    Versions(VersionsCommand),
    /// Delete rooms with all they hold
    #[command(
        after_help = "Whoever is in a room is closed as `deleted`. Asks for the room's name unless --yes is given.

Examples:
  greenroom room rm design/17
  greenroom room rm design/17 design/18 --yes"
    )]
    Rm(RoomRmOptions),
}

/// Options of `room ls`.
#[derive(Args, Debug)]
pub(crate) struct RoomLsOptions {
    /// Only rooms whose name is like this
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: Option<String>,
    /// Only rooms of this kind
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only rooms in memory
    #[arg(long)]
    pub(crate) loaded: bool,
}

/// Options of `room show`.
#[derive(Args, Debug)]
pub(crate) struct RoomShowOptions {
    /// The room's name
    #[arg(value_name = "ROOM")]
    pub(crate) room: String,
}

/// Options of `room tail`.
#[derive(Args, Debug)]
pub(crate) struct RoomTailOptions {
    /// The room's name
    #[arg(value_name = "ROOM")]
    pub(crate) room: String,
    /// Start with this record, if the journal still has it [default: what is to come]
    #[arg(long, value_name = "SEQ")]
    pub(crate) from: Option<u64>,
    /// Only this kind: document, entries, saved, timer, skipped, metadata, joined, left, broadcast; repeatable
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// Only what this user did, as far as it is known; repeatable
    #[arg(long, value_name = "USER")]
    pub(crate) user: Vec<String>,
}

/// Options of `room export`.
#[derive(Args, Debug)]
pub(crate) struct RoomExportOptions {
    /// The room's name
    #[arg(value_name = "ROOM")]
    pub(crate) room: String,
    /// Where to; `-` is stdout [default: the room's name with `-` for `/`, and `.room`]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Options of `room import`.
#[derive(Args, Debug)]
pub(crate) struct RoomImportOptions {
    /// The file; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The name of the room to be [default: the one that it had]
    #[arg(long = "as", value_name = "ROOM")]
    pub(crate) room: Option<String>,
}

/// Options of `room rm`.
#[derive(Args, Debug)]
pub(crate) struct RoomRmOptions {
    /// The rooms' names
    #[arg(value_name = "ROOM", required = true)]
    pub(crate) rooms: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}
