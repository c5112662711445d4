//! All that reads bytes of a peer or of a disk, as functions of bytes that must hold whatever the
//! bytes are: `make fuzz` lets libFuzzer look for such that they do not, the test of this package
//! replays what is kept in `corpus/`.
//!
//! ```
//! let target = fuzz::target("frames").expect("it is in the table");
//! (target.run)(b"any bytes at all");
//! ```

mod auth;
mod documents;
mod frames;
mod protocols;
mod stored;

/// One function of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// The longest input that is worth trying, in bytes.
    pub bytes_max: usize,
    /// Panics when something that must hold does not.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target_of("frames", 4 << 10, frames::frames),
    target_of("inflate", 4 << 10, frames::inflate),
    target_of("deflate", 16 << 10, frames::deflates),
    target_of("handshake", 1 << 10, frames::handshake),
    target_of("lib0", 4 << 10, protocols::lib0),
    target_of("yjs", 4 << 10, protocols::yjs),
    target_of("hocuspocus", 4 << 10, protocols::hocuspocus),
    target_of("awareness", 4 << 10, protocols::awareness),
    target_of("state_vector", 1 << 10, protocols::state_vector),
    target_of("update", 4 << 10, documents::update),
    target_of("shadow", 4 << 10, documents::shadow),
    target_of("row", 4 << 10, stored::row),
    target_of("snapshot", 4 << 10, stored::snapshot),
    target_of("export", 8 << 10, stored::export),
    target_of("service_state", 4 << 10, stored::service_state),
    target_of("token", 10 << 10, auth::token),
    target_of("claims", 4 << 10, auth::claims),
    target_of("credential", 1 << 10, auth::credential),
    target_of("keys_file", 4 << 10, auth::keys_file),
];

const fn target_of(name: &'static str, bytes_max: usize, run: fn(&[u8])) -> Target {
    Target {
        name,
        bytes_max,
        run,
    }
}

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Takes `count` bytes off the front, fewer where there are not so many.
fn take<'a>(data: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (front, rest) = data.split_at(count.min(data.len()));
    *data = rest;
    front
}

/// Takes a byte off the front; zero when there is none.
fn take_byte(data: &mut &[u8]) -> u8 {
    take(data, 1).first().copied().unwrap_or(0)
}
