//! `room export`

use std::io::{self, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};

use greenroom_server::room_file::{Decoder, ExportError, ExportHead, Piece};
use serde_json::json;

use super::{path_of, shown};
use crate::cli::{GlobalOptions, RoomExportOptions};
use crate::client::Client;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::file_out::{Counting, into_file};
use crate::interrupt;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::text::{bytes_text, counted, number};

/// A room passes through memory in pieces of this size.
const PIECE_BYTES: usize = 256 << 10;

/// What an export came to.
struct Taken {
    head: ExportHead,
    snapshots: u64,
    records: u64,
    bytes: u64,
    sha256: String,
}

pub(super) fn export(
    options: &RoomExportOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let unfinished = interrupt::watch()?;
    let usual = || PathBuf::from(format!("{}.room", options.room.replace(['/', '\\'], "-")));
    let file = options.output.clone().unwrap_or_else(usual);
    if file.as_os_str() == "-" {
        if io::stdout().is_terminal() {
            return Err(Failure::usage("a room is not for a terminal")
                .hint("`greenroom room export ROOM -o - > a.room`, or name a file"));
        }
        let taken = take(options, client, printer, io::stdout().lock())?;
        printer.note(&told(&taken));
        return Ok(ExitCode::Done);
    }
    let taken = into_file(&file, &unfinished, |file| {
        take(options, client, printer, file)
    })?;
    if global.json {
        printer.data(&as_json(&taken, &file).to_string())?;
    } else {
        printer.data(&format!("{} in {}", told(&taken), file.display()))?;
    }
    Ok(ExitCode::Done)
}

/// Checks every piece on its way: a file that is kept is a file that can be imported.
fn take(
    options: &RoomExportOptions,
    client: &Client,
    printer: &Printer,
    out: impl Write,
) -> Result<Taken, Failure> {
    let answer = client.get(&format!("{}/export", path_of(&options.room)))?;
    let mut input = answer.into_body().into_reader();
    let mut out = Counting::new(out, Progress::begin(printer, "Exporting", None));
    let mut check = Check::default();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = input
            .read(&mut piece)
            .map_err(|error| client.broken(&error))?;
        if read == 0 {
            break;
        }
        check.push(&piece[..read]).map_err(unsound)?;
        out.write_all(&piece[..read]).map_err(cannot_write)?;
    }
    out.flush().map_err(cannot_write)?;
    let (head, snapshots, records) = check.finish().map_err(unsound)?;
    let (bytes, sha256) = out.finish();
    Ok(Taken {
        head,
        snapshots,
        records,
        bytes,
        sha256,
    })
}

fn cannot_write(error: io::Error) -> Failure {
    Failure::failed(format!("cannot write the room: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn unsound(error: ExportError) -> Failure {
    Failure::failed(format!("what the server sent is not whole: {error}"))
        .hint("export the room again")
}

fn told(taken: &Taken) -> String {
    format!(
        "Exported {} at seq {}: {}, {}, {} (sha256 {})",
        shown(&taken.head.room),
        number(taken.head.seq),
        counted(taken.snapshots, "snapshot", "snapshots"),
        counted(taken.records, "record", "records"),
        bytes_text(taken.bytes),
        taken.sha256,
    )
}

fn as_json(taken: &Taken, file: &Path) -> serde_json::Value {
    json!({
        "file": file,
        "room": taken.head.room,
        "kind": taken.head.kind,
        "seq": taken.head.seq,
        "snapshots": taken.snapshots,
        "records": taken.records,
        "bytes": taken.bytes,
        "sha256": taken.sha256,
    })
}

/// Reads a file of a room and keeps nothing of it but its head.
#[derive(Default)]
pub(super) struct Check {
    decoder: Decoder,
    head: Option<ExportHead>,
    snapshots: u64,
    records: u64,
}

impl Check {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.decoder.push(bytes);
        while let Some(piece) = self.decoder.next_piece()? {
            match piece {
                Piece::Head(head) => self.head = Some(head),
                Piece::Snapshot { .. } => self.snapshots += 1,
                Piece::Record { .. } => self.records += 1,
                Piece::End => {}
            }
        }
        Ok(())
    }

    /// The head, and how many snapshots and records there are.
    pub(super) fn finish(self) -> Result<(ExportHead, u64, u64), ExportError> {
        self.decoder.finish()?;
        let head = self.head.expect("a file that is whole has a head");
        Ok((head, self.snapshots, self.records))
    }
}
