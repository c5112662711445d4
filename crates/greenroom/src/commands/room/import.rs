//! `room import`

use std::fs::File;
use std::io::{self, Cursor, Read};

use greenroom_server::room_file::{IMPORT_BYTES_MAX, MEDIA_TYPE};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use ureq::SendBody;
use ureq::http::Method;

use super::export::Check;
use super::{path_of, shown};
use crate::cli::{GlobalOptions, RoomImportOptions};
use crate::client::Client;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::file_out::hex;
use crate::interrupt;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::text::{bytes_text, number};
use crate::time_text::rfc3339;

pub(super) fn import(
    options: &RoomImportOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let _unfinished = interrupt::watch()?;
    let place = options.file.display();
    let bytes = read(options).map_err(|failure| Failure {
        message: format!("{place}: {}", failure.message),
        ..failure
    })?;
    let mut check = Check::default();
    let checked = check.push(&bytes).and_then(|()| check.finish());
    let (head, ..) =
        checked.map_err(|error| Failure::failed(format!("{place}: {error}")).hint(error.hint()))?;
    let (length, sha256) = (bytes.len() as u64, hex(&Sha256::digest(&bytes)));
    let room = options.room.as_ref().unwrap_or(&head.room);
    let path = format!("{}/import", path_of(room));
    let mut body = Told {
        bytes: Cursor::new(bytes),
        progress: Progress::begin(printer, "Importing", Some(length)),
    };
    let body = SendBody::from_reader(&mut body);
    let answer = client.send(Method::POST, &path, Some(MEDIA_TYPE), body)?;
    let made = client.json(client.accepted(answer)?)?;
    if global.json {
        let object = json!({
            "room": room,
            "kind": head.kind,
            "seq": made["seq"],
            "from": { "room": head.room, "seq": head.seq, "exported_ms": head.exported.0 },
            "bytes": length,
            "sha256": sha256,
        });
        printer.data(&object.to_string())?;
    } else {
        printer.data(&format!(
            "Imported {} at seq {} from {} at seq {} of {}, {} (sha256 {sha256})",
            shown(room),
            number(made["seq"].as_u64().unwrap_or(0)),
            shown(&head.room),
            number(head.seq),
            rfc3339(head.exported.0 / 1_000),
            bytes_text(length),
        ))?;
    }
    Ok(ExitCode::Done)
}

fn read(options: &RoomImportOptions) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::failed(format!("cannot be read: {error}"));
    let input: Box<dyn Read> = if options.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&options.file).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    let limit = IMPORT_BYTES_MAX as u64;
    input
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        let size = bytes_text(limit);
        return Err(Failure::failed(format!(
            "more than {size}, which a server takes"
        )));
    }
    Ok(bytes)
}

/// Says how far it was read.
struct Told {
    bytes: Cursor<Vec<u8>>,
    progress: Progress,
}

impl Read for Told {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(into)?;
        self.progress.at(self.bytes.position());
        Ok(read)
    }
}
