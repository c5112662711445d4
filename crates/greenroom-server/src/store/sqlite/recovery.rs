//! After a failed write: a new file from the last good state and the batch that failed.
//!
//! After a failed sync the kernel may drop the pages that it could not write and report the next
//! sync as good, so the old file is never written again. The new one is complete, synced and
//! closed before it gets a name that counts; only then is the batch answered. The highest
//! generation in a directory is the database, so that a crash finds either the old file or the new.

use std::fs::File;
use std::path::PathBuf;

use greenroom_core::store::{StoreReply, StoreRequest};
use rusqlite::config::DbConfig;

use super::super::OpenError;
use super::{Failure, Home, SqliteStore, failure_of, schema};

/// Writes the new file, switches to it and gives the batch's replies.
///
/// # Errors
/// As the new file fails; the store is then as it was.
pub(super) fn recover(
    store: &mut SqliteStore,
    requests: &[StoreRequest],
) -> Result<Vec<StoreReply>, Failure> {
    let Some(old) = store.home.clone().filter(|_| store.read_only.is_none()) else {
        return Err(Failure::Write("there is no place for a new file".into()));
    };
    let new = Home {
        generation: old.generation + 1,
        ..old
    };
    let half_made = new.file().with_extension("db.new");
    // One of an earlier attempt, which failed.
    let _ = std::fs::remove_file(&half_made);
    let result = replay(store, requests, &new, half_made);
    match &result {
        Ok(_) => {
            store.accept();
            new.remove_others();
            store.home = Some(new);
        }
        Err(_) => store.revert(),
    }
    result
}

/// Leaves the store on the new file with the batch's changes open in memory, or on the old one.
fn replay(
    store: &mut SqliteStore,
    requests: &[StoreRequest],
    new: &Home,
    half_made: PathBuf,
) -> Result<Vec<StoreReply>, Failure> {
    let copy = half_made.to_string_lossy();
    store
        .db
        .execute("VACUUM INTO ?1", [&copy])
        .map_err(|error| failure_of(&error))?;
    let db = schema::open_file(&half_made).map_err(failed)?;
    let old = std::mem::replace(&mut store.db, db);
    let replies = store.execute(requests).and_then(|replies| {
        store.commit()?;
        Ok(replies)
    });
    let db = std::mem::replace(&mut store.db, old);
    let replies = replies?;
    // Closing carries the log into the file.
    db.close().map_err(|(_, error)| failure_of(&error))?;
    File::open(&half_made)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(&half_made, new.file()))
        .map_err(|error| failed(error.into()))?;
    new.directory.sync().map_err(failed)?;
    let db = schema::open_file(&new.file()).map_err(failed)?;
    let old = std::mem::replace(&mut store.db, db);
    // A failure here changes nothing: the old file is not looked at again.
    let _ = old.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    Ok(replies)
}

fn failed(error: OpenError) -> Failure {
    match error {
        OpenError::Full => Failure::Full,
        other => Failure::Write(other.to_string()),
    }
}
