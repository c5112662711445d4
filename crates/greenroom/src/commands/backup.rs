//! `backup` and `restore`: a store as one file, and a file as a store.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Read, Write};
use std::path::Path;

use greenroom_server::store::{
    BackupError, BackupHead, BackupTotals, DataDirectory, Restored, StoreCopy, check_backup,
    restore as restore_store,
};
use serde_json::{Value, json};

use crate::cli::{BackupOptions, GlobalOptions, RestoreOptions};
use crate::client::Client;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::file_out::{Counting, into_file};
use crate::interrupt;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::text::{bytes_text, counted, number};
use crate::time_text::{now_unix_s, rfc3339};

/// A backup passes through memory in pieces of this size.
const PIECE_BYTES: usize = 256 << 10;

/// What a backup came to.
struct Taken {
    head: BackupHead,
    totals: BackupTotals,
    bytes: u64,
    sha256: String,
}

/// Copies a store into a file, or to stdout.
pub(super) fn backup(
    options: &BackupOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let unfinished = interrupt::watch()?;
    if options.file.as_os_str() == "-" {
        if io::stdout().is_terminal() {
            return Err(Failure::usage("a backup is not for a terminal")
                .hint("`greenroom backup - > store.backup`, or name a file"));
        }
        let taken = take(options, global, printer, io::stdout().lock())?;
        printer.note(&told(&taken));
        return Ok(ExitCode::Done);
    }
    let taken = into_file(&options.file, &unfinished, |file| {
        take(options, global, printer, file)
    })?;
    if global.json {
        printer.data(&as_json(&taken, &options.file).to_string())?;
    } else {
        printer.data(&told(&taken))?;
    }
    printer.hint("signing keys are not part of a backup: keep a copy of keys.json apart from it");
    Ok(ExitCode::Done)
}

/// From the data directory where one is named, else from the server.
fn take(
    options: &BackupOptions,
    global: &GlobalOptions,
    printer: &Printer,
    out: impl Write,
) -> Result<Taken, Failure> {
    let progress = Progress::begin(printer, "Copying", None);
    let mut out = Counting::new(out, progress);
    let (head, totals) = match &options.data {
        Some(data) => from_directory(Path::new(data), &mut out)?,
        None => from_server(&Client::new(global)?, &mut out)?,
    };
    out.flush().map_err(cannot_write)?;
    let (bytes, sha256) = out.finish();
    Ok(Taken {
        head,
        totals,
        bytes,
        sha256,
    })
}

fn from_directory(
    data: &Path,
    out: &mut impl Write,
) -> Result<(BackupHead, BackupTotals), Failure> {
    let in_directory = |failure: Failure| Failure {
        message: format!("{}: {}", data.display(), failure.message),
        ..failure
    };
    if !data.is_dir() {
        return Err(
            Failure::usage(format!("there is no directory {}", data.display()))
                .hint("name the data directory of a server, or leave `--data` out to ask a server"),
        );
    }
    let _lock = DataDirectory::open(data).map_err(|error| {
        let failure = Failure::failed(format!("{}: {error}", data.display()));
        match error {
            greenroom_server::store::OpenError::InUse { .. } => {
                failure.hint("leave `--data` out: a running server is asked over HTTP")
            }
            _ => failure.hint(error.hint()),
        }
    })?;
    let copy = StoreCopy::open(data, now_unix_s() * 1_000)
        .map_err(|error| in_directory(BackupError::from(error).into()))?;
    let head = copy.head().clone();
    let totals = copy.write(out)?;
    Ok((head, totals))
}

/// Checks every block on its way: a file that is kept is a file that can be restored.
fn from_server(
    client: &Client,
    out: &mut impl Write,
) -> Result<(BackupHead, BackupTotals), Failure> {
    let answer = client.get("/api/backup")?;
    let mut tee = Tee {
        input: answer.into_body().into_reader(),
        out,
        failed: None,
    };
    let checked = check_backup(BufReader::with_capacity(PIECE_BYTES, &mut tee));
    if let Some(error) = tee.failed {
        return Err(cannot_write(error));
    }
    checked.map_err(|error| match error {
        BackupError::Io(error) => client.broken(&error),
        other => other.into(),
    })
}

fn cannot_write(error: io::Error) -> Failure {
    Failure::failed(format!("cannot write the backup: {error}"))
}

fn told(taken: &Taken) -> String {
    let BackupTotals {
        rooms,
        snapshots,
        rows,
        ..
    } = taken.totals;
    format!(
        "Copied {} as of {}: {}, {}, {} (sha256 {})",
        counted(rooms, "room", "rooms"),
        rfc3339(taken.head.taken_ms / 1_000),
        counted(snapshots, "snapshot", "snapshots"),
        counted(rows, "row", "rows"),
        bytes_text(taken.bytes),
        taken.sha256,
    )
}

fn as_json(taken: &Taken, file: &Path) -> Value {
    json!({
        "file": file,
        "taken_ms": taken.head.taken_ms,
        "rooms": taken.totals.rooms,
        "snapshots": taken.totals.snapshots,
        "rows": taken.totals.rows,
        "queued": taken.totals.queued,
        "versions": taken.totals.versions,
        "bytes": taken.bytes,
        "sha256": taken.sha256,
    })
}

/// Makes a data directory out of a backup.
pub(super) fn restore(
    options: &RestoreOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let data = Path::new(&options.data);
    let (input, bytes): (Box<dyn Read>, _) = if options.file.as_os_str() == "-" {
        (Box::new(io::stdin().lock()), None)
    } else {
        let shown = options.file.display();
        let failed = |error| Failure::failed(format!("cannot read {shown}: {error}"));
        let file = File::open(&options.file).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        (Box::new(file), Some(bytes))
    };
    let mut progress = Progress::begin(printer, "Restoring", bytes);
    let input = BufReader::with_capacity(PIECE_BYTES, input);
    let restored = restore_store(data, input, |bytes| progress.at(bytes))
        .map_err(|error| into_place(error, options))?;
    drop(progress);
    report(&restored, options, global, printer)
}

fn into_place(error: BackupError, options: &RestoreOptions) -> Failure {
    let place = match error {
        BackupError::Store(_) => options.data.clone(),
        _ => options.file.display().to_string(),
    };
    let failure = Failure::from(error);
    Failure {
        message: format!("{place}: {}", failure.message),
        ..failure
    }
}

fn report(
    restored: &Restored,
    options: &RestoreOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let (head, totals) = (&restored.head, restored.totals);
    if global.json {
        let damages = restored.damages.iter();
        let damages = damages.map(|d| json!({ "room": d.room.as_str(), "what": d.what }));
        let object = json!({
            "data": options.data,
            "taken_ms": head.taken_ms,
            "rooms": totals.rooms,
            "snapshots": totals.snapshots,
            "rows": totals.rows,
            "queued": totals.queued,
            "versions": totals.versions,
            "damaged": restored.damaged,
            "damages": damages.collect::<Vec<_>>(),
        });
        printer.data(&object.to_string())?;
    } else {
        printer.data(&format!(
            "Restored {} as of {} into {}, each in a new incarnation: {}, {}",
            counted(totals.rooms, "room", "rooms"),
            rfc3339(head.taken_ms / 1_000),
            options.data,
            counted(totals.snapshots, "snapshot", "snapshots"),
            counted(totals.rows, "row", "rows"),
        ))?;
    }
    for damage in &restored.damages {
        printer.warning(&format!("room `{}`: {}", damage.room, damage.what));
    }
    if restored.damaged > 0 {
        printer.note(&format!(
            "{} damaged before the backup was taken, and kept as they are",
            number(restored.damaged)
        ));
    }
    printer.hint(&format!(
        "`greenroom serve --data {}` serves it",
        options.data
    ));
    Ok(if restored.damaged > 0 {
        ExitCode::NeedsYou
    } else {
        ExitCode::Done
    })
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let failure = Self::failed(error.to_string());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Writes what is read.
struct Tee<R, W> {
    input: R,
    out: W,
    failed: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        if let Err(error) = self.out.write_all(&into[..read]) {
            let kind = error.kind();
            self.failed = Some(error);
            return Err(kind.into());
        }
        Ok(read)
    }
}
