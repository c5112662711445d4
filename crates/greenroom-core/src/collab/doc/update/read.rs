//! Passes over an update once and tells the builder what it finds.

use super::build::Builder;
use super::{ANY_NESTING_MAX, CLIENTS_MAX, Digest, Fit, Id, UpdateError};
use crate::protocol::lib0::Reader;

const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT_ORIGIN: u8 = 0x40;
const HAS_KEY: u8 = 0x20;

/// The shortest section: no structs, a client, a clock.
const SECTION_BYTES_MIN: usize = 3;
/// The shortest struct: a GC of one-byte length.
const STRUCT_BYTES_MIN: usize = 2;
/// The shortest deletions of a client, and the shortest deletion.
const DELETE_BYTES_MIN: usize = 2;

/// Where a struct says that it belongs.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// In a root type.
    Root,
    /// In the shared type with this id.
    Parent(Id),
    /// Beside another struct.
    Beside {
        origin: Option<Id>,
        right_origin: Option<Id>,
    },
}

/// What a struct holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Live { len: u32 },
    Deleted { len: u32 },
    Type,
}

/// Reads the whole of `update`.
pub(super) fn digest(update: &[u8]) -> Result<Digest, UpdateError> {
    let mut reader = Reader::new(update);
    let mut builder = Builder::new(update.len());
    let sections = reader.count(SECTION_BYTES_MIN)?;
    if sections > CLIENTS_MAX {
        return Err(UpdateError::Clients);
    }
    for _ in 0..sections {
        section(&mut reader, &mut builder)?;
    }
    for _ in 0..reader.count(DELETE_BYTES_MIN)? {
        let client = reader.var_uint()?;
        builder.deletes_of(client);
        for _ in 0..reader.count(DELETE_BYTES_MIN)? {
            let clock = reader.var_u32()?;
            builder.delete(clock, reader.var_u32()?)?;
        }
    }
    if !reader.is_empty() {
        return Err(UpdateError::Trailing);
    }
    builder.finish()
}

fn section(reader: &mut Reader<'_>, builder: &mut Builder) -> Result<(), UpdateError> {
    let structs = reader.count(STRUCT_BYTES_MIN)?;
    let client = reader.var_uint()?;
    builder.begin(client, reader.var_u32()?);
    for _ in 0..structs {
        match reader.byte()? {
            0 => builder.gc(reader.var_u32()?)?,
            10 => builder.skip(reader.var_u32()?)?,
            info => {
                let place = place(reader, info)?;
                let content = content(reader, info, builder)?;
                builder.item(place, content)?;
            }
        }
    }
    builder.end();
    Ok(())
}

fn id(reader: &mut Reader<'_>) -> Result<Id, UpdateError> {
    let client = reader.var_uint()?;
    let clock = reader.var_u32()?;
    Ok(Id { client, clock })
}

fn place(reader: &mut Reader<'_>, info: u8) -> Result<Place, UpdateError> {
    let has = |flag| info & flag != 0;
    if has(HAS_ORIGIN) || has(HAS_RIGHT_ORIGIN) {
        let origin = has(HAS_ORIGIN).then(|| id(reader)).transpose()?;
        let right_origin = has(HAS_RIGHT_ORIGIN).then(|| id(reader)).transpose()?;
        return Ok(Place::Beside {
            origin,
            right_origin,
        });
    }
    let place = if reader.var_u32()? == 1 {
        reader.var_string()?;
        Place::Root
    } else {
        Place::Parent(id(reader)?)
    };
    if has(HAS_KEY) {
        reader.var_string()?;
    }
    Ok(place)
}

fn content(
    reader: &mut Reader<'_>,
    info: u8,
    builder: &mut Builder,
) -> Result<Content, UpdateError> {
    let one = Ok(Content::Live { len: 1 });
    match info & 0x1f {
        1 => {
            let len = reader.var_u32()?;
            Ok(Content::Deleted { len })
        }
        2 => {
            builder.fit(Fit::Unfit);
            strings(reader)
        }
        3 => {
            reader.var_bytes()?;
            one
        }
        4 => {
            let len = utf16_len(reader.var_string()?);
            Ok(Content::Live { len })
        }
        5 => {
            json(reader, builder)?;
            one
        }
        6 => {
            reader.var_string()?;
            json(reader, builder)?;
            one
        }
        7 => shared_type(reader, builder),
        8 => {
            let len = reader.count(1)?;
            for _ in 0..len {
                reader.skip_any(ANY_NESTING_MAX)?;
            }
            live(len)
        }
        9 => {
            builder.sub_document()?;
            reader.var_string()?;
            reader.skip_any(ANY_NESTING_MAX)?;
            one
        }
        _ => Err(UpdateError::Kind(info)),
    }
}

fn live(len: usize) -> Result<Content, UpdateError> {
    let len = u32::try_from(len).map_err(|_| UpdateError::Clock)?;
    Ok(Content::Live { len })
}

fn strings(reader: &mut Reader<'_>) -> Result<Content, UpdateError> {
    let len = reader.count(1)?;
    for _ in 0..len {
        reader.var_string()?;
    }
    live(len)
}

fn shared_type(reader: &mut Reader<'_>, builder: &mut Builder) -> Result<Content, UpdateError> {
    match reader.byte()? {
        // Array, map, text, XML fragment, XML text.
        0 | 1 | 2 | 4 | 6 => {}
        // XML element and XML hook have a name.
        kind @ (3 | 5) => {
            reader.var_string()?;
            if kind == 5 {
                builder.fit(Fit::Unfit);
            }
        }
        kind => return Err(UpdateError::Kind(kind)),
    }
    Ok(Content::Type)
}

fn json(reader: &mut Reader<'_>, builder: &mut Builder) -> Result<(), UpdateError> {
    if !is_plain_json(reader.var_string()?.as_bytes()) {
        builder.fit(Fit::Check);
    }
    Ok(())
}

/// Whether this is JSON at first sight: a word, a short whole number, a string without escapes.
/// Formats hold little else.
fn is_plain_json(json: &[u8]) -> bool {
    match json {
        b"null" | b"true" | b"false" => true,
        [b'"', inner @ .., b'"'] => inner
            .iter()
            .all(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\')),
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 15 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The length of a string in UTF-16 code units: each character starts with one byte that is no
/// continuation, and those beyond the basic plane, with four bytes, take two units.
fn utf16_len(text: &str) -> u32 {
    let units = text
        .bytes()
        .map(|byte| u32::from(byte & 0xc0 != 0x80) + u32::from(byte >= 0xf0));
    units.sum()
}
