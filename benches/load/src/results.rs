//! What a whole bench leaves behind: lines of JSON, one file for each time it ran.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::measurement::{Measurement, Sheet};
use crate::session::Session;

/// One line of a bench.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub(crate) enum Line {
    /// Where and with what it runs: the first line.
    Session(Session),
    /// A run; those of one group came directly after each other and are compared.
    Run {
        group: u32,
        measurement: Box<Measurement>,
    },
    /// A run that gives other numbers.
    Sheet { sheet: Sheet },
    /// A run that gave nothing.
    Failed {
        workload: String,
        server: String,
        why: String,
    },
}

/// The file that a bench writes.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    pub(crate) path: PathBuf,
}

impl Journal {
    /// Begins a file in `results`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn begin(results: &Path, session: Session) -> Result<Self> {
        fs::create_dir_all(results)?;
        let path = results.join(format!("bench-{}.jsonl", session.at_s));
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let mut journal = Self {
            file: file.with_context(|| format!("{} cannot be written", path.display()))?,
            path,
        };
        journal.append(&Line::Session(session))?;
        Ok(journal)
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn append(&mut self, line: &Line) -> Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(line)?)?;
        Ok(())
    }
}

/// The newest file of a bench in `results`.
///
/// # Errors
/// When there is none.
pub(crate) fn newest(results: &Path) -> Result<PathBuf> {
    let found = fs::read_dir(results).into_iter().flatten().flatten();
    found
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("bench-") && name.ends_with(".jsonl")
        })
        .max()
        .with_context(|| {
            format!(
                "no results in {}; hint: run `make bench` first",
                results.display()
            )
        })
}

/// All lines of some files. Groups of different files stay apart.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) sessions: Vec<Session>,
    pub(crate) runs: Vec<((usize, u32), Measurement)>,
    pub(crate) sheets: Vec<Sheet>,
    /// Workload, server, and why it gave nothing.
    pub(crate) failed: Vec<(String, String, String)>,
}

impl Results {
    /// Reads files.
    ///
    /// # Errors
    /// When one cannot be read or is something else.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut all = Self::default();
        for (number, path) in paths.iter().enumerate() {
            let file =
                File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
            for (line, text) in BufReader::new(file).lines().enumerate() {
                let read = serde_json::from_str(&text?).with_context(|| {
                    format!("{}:{} is no line of a bench", path.display(), line + 1)
                });
                all.take(number, read?);
            }
        }
        Ok(all)
    }

    /// Adds a line of the file with this number.
    pub(crate) fn take(&mut self, file: usize, line: Line) {
        match line {
            Line::Session(session) => self.sessions.push(session),
            Line::Run { group, measurement } => self.runs.push(((file, group), *measurement)),
            Line::Sheet { sheet } => self.sheets.push(sheet),
            Line::Failed {
                workload,
                server,
                why,
            } => self.failed.push((workload, server, why)),
        }
    }

    /// The runs of one workload on one server.
    pub(crate) fn of<'a>(
        &'a self,
        workload: &'a str,
        server: &'a str,
    ) -> impl Iterator<Item = ((usize, u32), &'a Measurement)> {
        self.runs
            .iter()
            .filter(move |(_, run)| run.workload.name == workload && run.server == server)
            .map(|(group, run)| (*group, run))
    }

    /// What `a` gave together with what `b` gave in the same group; each is a workload and a server.
    pub(crate) fn pairs<'a>(
        &'a self,
        a: (&'a str, &'a str),
        b: (&'a str, &'a str),
    ) -> Vec<(&'a Measurement, &'a Measurement)> {
        self.of(a.0, a.1)
            .filter_map(|(group, of_a)| {
                let of_b = self.of(b.0, b.1).find(|(other, _)| *other == group)?;
                Some((of_a, of_b.1))
            })
            .collect()
    }

    /// One number of all sheets of one workload on one server.
    pub(crate) fn values(&self, workload: &str, server: &str, name: &str) -> Vec<f64> {
        self.sheets
            .iter()
            .filter(|sheet| sheet.workload == workload && sheet.server == server)
            .filter_map(|sheet| sheet.value(name))
            .collect()
    }
}
