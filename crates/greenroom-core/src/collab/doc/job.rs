//! The heavy work on documents, off the room's task: reading the past, applying updates in batches,
//! encoding state for joiners and snapshots, trying a suspicious update.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use greenroom_service::SessionId;

use super::engine::Engine;
use super::shadow::Shadow;
use super::update::{Digest, StateVector};

/// Work on documents.
#[derive(Debug)]
pub enum DocumentJob {
    /// Read the past of all documents of a room.
    Load(Vec<LoadDocument>),
    /// Bring one document up to date and encode what is asked for.
    Work(Box<Work>),
}

/// How it ended.
#[derive(Debug)]
pub enum DocumentJobDone {
    /// The documents are read.
    Loaded(Vec<LoadedDocument>),
    /// The document is up to date.
    Worked(Box<Worked>),
}

/// The stored past of a document.
#[derive(Debug)]
pub struct LoadDocument {
    /// Its name.
    pub name: String,
    /// Its snapshot, an update; empty when there is none.
    pub base: Bytes,
    /// The updates since, with their seqs.
    pub tail: Vec<(u64, Bytes)>,
    /// Updates that yrs could not take in, served as they are.
    pub unmergeable: Vec<Bytes>,
}

/// A document as it was read.
#[derive(Debug)]
pub struct LoadedDocument {
    /// The past that was read, damaged updates taken out.
    pub past: LoadDocument,
    /// What it adds up to.
    pub shadow: Shadow,
    /// Updates that could not be read, with their seqs and why.
    pub unreadable: Vec<(u64, String)>,
}

/// A document's state and what is wanted of it.
#[derive(Debug)]
pub struct Work {
    /// The document's name.
    pub name: String,
    /// The cached document and the last record in it.
    pub engine: Option<(Engine, u64)>,
    /// The snapshot, an update; empty when there is none.
    pub base: Bytes,
    /// Every update since the snapshot, with its seq.
    pub tail: Vec<(u64, Bytes)>,
    /// The last record of the room when the job was made: all of `tail` is at or below it.
    pub seq: u64,
    /// Whether the whole state is to be encoded.
    pub encode: bool,
    /// Sessions that want what they lack.
    pub diffs: Vec<(SessionId, StateVector)>,
    /// An update that is to be tried: taken in for good only if everything still works after it.
    pub trial: Option<Bytes>,
}

/// A document after the work.
#[derive(Debug)]
pub struct Worked {
    /// The document's name.
    pub name: String,
    /// The cached document and the last record in it; `None` when it cannot be built or the trial
    /// broke it.
    pub engine: Option<(Engine, u64)>,
    /// The last record of the room when the job was made.
    pub seq: u64,
    /// The whole state, if it was asked for and could be made.
    pub encoded: Option<Bytes>,
    /// What each session lacks; nobody is in it when the document could not be built.
    pub diffs: Vec<(SessionId, Bytes)>,
    /// Updates that could not be taken in, with their seqs and why; the state is without them.
    pub failed: Vec<(u64, String)>,
    /// How the trial went, if there was one.
    pub trial: Option<Result<(), String>>,
    /// Why the document could not be built at all.
    pub broken: Option<String>,
}

impl DocumentJob {
    /// Runs it.
    #[must_use]
    pub fn run(self) -> DocumentJobDone {
        match self {
            Self::Load(documents) => {
                DocumentJobDone::Loaded(documents.into_iter().map(load).collect())
            }
            Self::Work(work) => DocumentJobDone::Worked(Box::new(work.run())),
        }
    }
}

/// Builds the shadow without yrs: our own reader is enough.
fn load(mut past: LoadDocument) -> LoadedDocument {
    let mut shadow = Shadow::default();
    let mut unreadable = Vec::new();
    if !past.base.is_empty() {
        match Digest::read(&past.base) {
            Ok(digest) => shadow.apply(&digest),
            Err(error) => unreadable.push((0, error.to_string())),
        }
    }
    for raw in &past.unmergeable {
        if let Ok(digest) = Digest::read(raw) {
            shadow.apply(&digest);
        }
    }
    past.tail
        .retain(|(seq, update)| match Digest::read(update) {
            Ok(digest) => {
                shadow.apply(&digest);
                true
            }
            Err(error) => {
                unreadable.push((*seq, error.to_string()));
                false
            }
        });
    LoadedDocument {
        past,
        shadow,
        unreadable,
    }
}

impl Work {
    fn run(mut self) -> Worked {
        let mut worked = Worked {
            name: std::mem::take(&mut self.name),
            engine: None,
            seq: self.seq,
            encoded: None,
            diffs: Vec::new(),
            failed: Vec::new(),
            trial: None,
            broken: None,
        };
        let engine = match self.up_to_date(&mut worked.failed) {
            Ok(engine) => engine,
            Err(error) => {
                worked.trial = self
                    .trial
                    .map(|_| Err("the document cannot be built".into()));
                worked.broken = Some(error);
                return worked;
            }
        };
        let (encode, diffs) = (self.encode, &self.diffs);
        let encoded = guarded(|| {
            let whole = encode.then(|| engine.encode());
            let lacks = diffs.iter().map(|(id, vector)| (*id, engine.diff(vector)));
            (whole, lacks.collect::<Vec<_>>())
        });
        match encoded {
            Ok((whole, diffs)) => (worked.encoded, worked.diffs) = (whole, diffs),
            Err(error) => {
                worked.trial = self
                    .trial
                    .map(|_| Err("the document cannot be encoded".into()));
                worked.broken = Some(error);
                return worked;
            }
        }
        match &self.trial {
            None => worked.engine = Some((engine, self.seq)),
            Some(update) => match try_update(engine, update) {
                Ok(engine) => {
                    worked.trial = Some(Ok(()));
                    worked.engine = Some((engine, self.seq));
                }
                Err(error) => worked.trial = Some(Err(error)),
            },
        }
        worked
    }

    /// The document with all of the tail in it, but for those updates that it cannot take.
    fn up_to_date(&mut self, failed: &mut Vec<(u64, String)>) -> Result<Engine, String> {
        if let Some((mut engine, seq)) = self.engine.take() {
            let news = self
                .tail
                .iter()
                .filter(|(at, _)| *at > seq)
                .map(|(_, update)| update);
            if matches!(guarded(|| engine.apply(news)), Ok(Ok(()))) {
                return Ok(engine);
            }
        }
        let mut left_out = BTreeSet::new();
        let mut one_by_one = false;
        loop {
            let mut engine = guarded(|| {
                let mut engine = Engine::new();
                let base = Some(&self.base).filter(|base| !base.is_empty());
                engine.apply(base).map_err(|(_, error)| error)?;
                Ok::<Engine, String>(engine)
            })??;
            let kept: Vec<_> = self
                .tail
                .iter()
                .filter(|(seq, _)| !left_out.contains(seq))
                .collect();
            // All at once is several times cheaper than one by one; one by one finds the culprit.
            if !one_by_one {
                let all = kept.iter().map(|(_, update)| update);
                if matches!(guarded(|| engine.apply(all)), Ok(Ok(()))) {
                    return Ok(engine);
                }
                one_by_one = true;
                continue;
            }
            let culprit =
                kept.iter()
                    .find_map(|(seq, update)| match guarded(|| engine.apply([update])) {
                        Ok(Ok(())) => None,
                        Ok(Err((_, error))) | Err(error) => Some((*seq, error)),
                    });
            let Some((seq, error)) = culprit else {
                return Ok(engine);
            };
            left_out.insert(seq);
            failed.push((seq, error));
        }
    }
}

/// Takes `update` in, and gives the document back only if it can still be encoded, read and diffed.
fn try_update(mut engine: Engine, update: &Bytes) -> Result<Engine, String> {
    guarded(move || {
        engine.apply([update]).map_err(|(_, error)| error)?;
        let whole = engine.encode();
        let _ = engine.diff(&StateVector::default());
        let mut reloaded = Engine::new();
        reloaded.apply([&whole]).map_err(|(_, error)| error)?;
        Ok(engine)
    })?
}

fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| "yrs panicked".into())
}
