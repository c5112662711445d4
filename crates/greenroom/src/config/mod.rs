//! The configuration: every option of the server, declared once, and the way from what was
//! written to one set of [`Options`].
//!
//! # To add an option
//!
//! 1. Write one entry into the table of `options.rs`: field, type, key in `greenroom.toml`,
//!    variable, flag, default, whether a reload takes it, and its doc comment, which is its text in
//!    `--help`, in the schema and in the reference.
//! 2. Read the field where settings are made of options, in `server_plan.rs`. The compiler warns
//!    of a field that nobody reads: an option without effect is a defect.
//! 3. A new type of value implements [`value::Value`]: how it is read, how shown, its schema.
//! 4. Write the reference anew: `greenroom config reference > docs/reference/configuration.md`
//!    (a test says when it is old).
//!
//! Flags, help, variables, `_FILE` twins of secrets, unknown keys, ranges, `config show`, the schema
//! and the reference follow from the entry. A *limit* is not an entry here: it is one in
//! `limits.rs` of the core, and is then a key of `[limits]` by itself. A variable that is no option
//! of the server is declared in `env_vars.rs`.
//!
//! # Where a value comes from
//!
//! Flag, then variable, then file, then default. Lists are taken whole from the first that has
//! some, except room rules: those of a flag stand before those of the file.

mod document;
mod environment;
mod excerpt;
mod flags;
mod hooks;
mod json;
mod layers;
mod limits;
mod options;
mod problem;
mod reached;
mod reference;
mod resolve;
mod rooms;
mod schema;
mod show;
mod tree;
mod value;

pub(crate) use document::Document;
pub(crate) use environment::Environment;
pub(crate) use flags::{AnyFlags, DevFlags, Flags, ServeFlags};
pub(crate) use hooks::HINT_SECRET;
pub(crate) use layers::Origin;
pub(crate) use options::{Entry, Options, Reload};
pub(crate) use reached::Text;
pub(crate) use reference::reference_page;
pub(crate) use resolve::{Resolved, check_document, resolve, secret_key};
pub(crate) use rooms::RoomRule;
pub(crate) use schema::schema;
pub(crate) use show::{as_json, as_origins_json, as_toml};
pub(crate) use value::{LogForm, Secret};

#[cfg(test)]
mod tests;
