//! Console links that were used. Remembered until their time is over, in a file beside the store:
//! a line for each, `EXPIRES NAME`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use greenroom_core::limits::CONSOLE_LINKS_USED_MAX;

/// The file's name in the data directory.
const FILE_NAME: &str = "console-links-used";

/// The longest file that is read: all lines that there may be, with room to spare.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The longest name of a link that is remembered; ours have 16 characters.
const NAME_BYTES_MAX: usize = 64;

/// Links that were used.
pub(super) struct UsedLinks {
    path: Option<PathBuf>,
    /// Name to expiry in seconds since the Unix epoch; at most [`CONSOLE_LINKS_USED_MAX`].
    used: BTreeMap<String, u64>,
}

/// Why a link is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It was used.
    Used,
    /// There is no place to remember it.
    TooMany,
}

impl UsedLinks {
    /// Those that the directory's file names; none without a directory or a readable file.
    pub(super) fn open(directory: Option<&Path>, now_unix_s: u64) -> Self {
        let path = directory.map(|directory| directory.join(FILE_NAME));
        let text = path.as_deref().map(read).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let used = lines.filter_map(|(exp, name)| Some((name.to_owned(), exp.parse().ok()?)));
        let used = used.filter(|(_, exp)| *exp > now_unix_s);
        Self {
            path,
            used: used.take(CONSOLE_LINKS_USED_MAX).collect(),
        }
    }

    /// Notes that the link of this name is used.
    pub(super) fn take(&mut self, name: String, exp: u64, now_unix_s: u64) -> Result<(), NotTaken> {
        let is_sound = name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control);
        if self.used.contains_key(&name) || !is_sound {
            return Err(NotTaken::Used);
        }
        self.used.retain(|_, exp| *exp > now_unix_s);
        if self.used.len() >= CONSOLE_LINKS_USED_MAX {
            return Err(NotTaken::TooMany);
        }
        self.used.insert(name, exp);
        // A full disk is a reason to sign in: the link is then known as used until a restart.
        if let Err(error) = self.write() {
            tracing::warn!(%error, "a used console link is remembered in memory only");
        }
        Ok(())
    }

    /// Replaces the file whole, so that a crash leaves the old one or the new one.
    fn write(&self) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let beside = path.with_extension("new");
        let mut file = File::create(&beside)?;
        for (name, exp) in &self.used {
            writeln!(file, "{exp} {name}")?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |directory| {
            File::open(directory).and_then(|directory| directory.sync_all())
        })
    }
}

fn read(path: &Path) -> String {
    let small = fs::metadata(path).is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
    if small {
        fs::read_to_string(path).unwrap_or_default()
    } else {
        String::new()
    }
}
