//! The heavy work on documents, off the room's task: reading the past, applying updates in batches,
//! encoding state for joiners and snapshots.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use greenroom_service::{Refuse, SessionId};

use super::ask::{Ask, Outcome};
use super::engine::Engine;
use super::gate::{CheckedUpdate, check_update};
use super::shadow::{Shadow, Verdict};
use super::update::{Digest, StateVector};
use crate::room::request::RequestId;

/// Work on documents. Run it on a thread with [`ENGINE_STACK_BYTES`] of stack: yrs recurses into
/// what it integrates.
///
/// [`ENGINE_STACK_BYTES`]: super::update::ENGINE_STACK_BYTES
#[derive(Debug)]
pub enum DocumentJob {
    /// Read the past of all documents of a room.
    Load(Vec<LoadDocument>),
    /// Bring one document up to date and encode what is asked for.
    Work(Box<Work>),
    /// Check what a document is to hold at first, or make it.
    First(FirstContent),
}

/// How it ended.
#[derive(Debug)]
pub enum DocumentJobDone {
    /// The documents are read; or why a snapshot cannot be.
    Loaded(Result<Vec<LoadedDocument>, String>),
    /// The document is up to date.
    Worked(Box<Worked>),
    /// The first content; `None` when it is nothing, or why it cannot be one.
    First(Result<Option<CheckedUpdate>, String>),
}

/// What a document is to hold at first.
#[derive(Debug)]
pub enum FirstContent {
    /// An update, v1.
    Update(Bytes),
    /// Its roots by name: a text, an array or a map each; made under this client id.
    Roots(u64, serde_json::Map<String, serde_json::Value>),
}

/// The stored past of a document.
#[derive(Debug)]
pub struct LoadDocument {
    /// Its name.
    pub name: String,
    /// Its snapshot, an update; empty when there is none.
    pub base: Bytes,
    /// The last record that the snapshot includes; 0 when there is none.
    pub base_seq: u64,
    /// The updates that are not merged into it, in order.
    pub tail: Vec<StoredUpdate>,
}

/// An update as it is stored.
#[derive(Debug)]
pub struct StoredUpdate {
    /// The seq of its record.
    pub seq: u64,
    /// The update.
    pub update: Bytes,
    /// Whether it is known that it cannot be merged.
    pub skipped: bool,
}

impl LoadDocument {
    /// The past of a document in which nothing was written.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            base: Bytes::new(),
            base_seq: 0,
            tail: Vec::new(),
        }
    }
}

/// A document as it was read.
#[derive(Debug)]
pub struct LoadedDocument {
    /// Its name.
    pub name: String,
    /// Its snapshot, an update; empty when there is none.
    pub base: Bytes,
    /// The last record that the snapshot includes; 0 when there is none.
    pub base_seq: u64,
    /// The updates since, each ready after those before it.
    pub tail: Vec<(u64, Bytes)>,
    /// The updates whose causes are not there.
    pub parked: Vec<(u64, Bytes, Digest)>,
    /// The updates that cannot be merged.
    pub unmergeable: Vec<(u64, Bytes)>,
    /// What all but the parked ones add up to.
    pub shadow: Shadow,
    /// Updates that could not be read, with their seqs and why.
    pub unreadable: Vec<(u64, String)>,
}

/// A document's state and what is wanted of it.
#[derive(Debug)]
pub struct Work {
    /// The document's name.
    pub name: String,
    /// The cached document, and how many updates of the tail are in it.
    pub engine: Option<(Engine, usize)>,
    /// The snapshot, an update; empty when there is none.
    pub base: Bytes,
    /// Every update since the snapshot, with its seq, each ready after those before it.
    pub tail: Vec<(u64, Bytes)>,
    /// Whether an earlier update could not be merged, so that later ones may lack their causes.
    pub careful: bool,
    /// Whether the whole state is to be encoded.
    pub encode: bool,
    /// Sessions that want what they lack.
    pub diffs: Vec<(SessionId, StateVector)>,
    /// The client id under which a document that is made here edits: no document had it before.
    pub client: u64,
    /// What requests ask, done in order after all else.
    pub asks: Vec<(RequestId, Ask)>,
}

/// A document after the work.
#[derive(Debug)]
pub struct Worked {
    /// The document's name.
    pub name: String,
    /// The cached document, with all of the tail in it but what failed.
    pub engine: Option<Engine>,
    /// The whole state, if it was asked for and could be made.
    pub encoded: Option<Bytes>,
    /// What each session lacks; nobody is in it when the document could not be built.
    pub diffs: Vec<(SessionId, Bytes)>,
    /// What the requests are answered, in their order.
    pub answers: Vec<(RequestId, Result<Outcome, Refuse>)>,
    /// Updates that could not be merged, with their seqs and why; the state is without them.
    pub failed: Vec<(u64, String)>,
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
            Self::First(content) => DocumentJobDone::First(content.check()),
        }
    }
}

impl FirstContent {
    fn check(self) -> Result<Option<CheckedUpdate>, String> {
        let update = match self {
            Self::Update(update) => {
                check_update(update).map_err(|error| format!("no good update: {error}"))?
            }
            Self::Roots(client, roots) => {
                let made = guarded(|| Engine::new(client).make(&roots))?;
                match made.map_err(|refuse| refuse.reason)? {
                    Some(update) => update,
                    None => return Ok(None),
                }
            }
        };
        match Shadow::default().verdict(&update.digest) {
            Verdict::Ready => Ok(Some(update)),
            Verdict::NoOp => Ok(None),
            Verdict::Pending => Err("the update builds on others that are not in it".into()),
            Verdict::Refused(error) => Err(error.to_string()),
        }
    }
}

/// Builds the shadow without yrs: our own reader is enough.
///
/// # Errors
/// Why the snapshot cannot be read. Without it nothing can be told from the updates.
pub(crate) fn load(past: LoadDocument) -> Result<LoadedDocument, String> {
    let mut loaded = LoadedDocument {
        name: past.name,
        base: past.base,
        base_seq: past.base_seq,
        tail: Vec::new(),
        parked: Vec::new(),
        unmergeable: Vec::new(),
        shadow: Shadow::default(),
        unreadable: Vec::new(),
    };
    if !loaded.base.is_empty() {
        let digest = Digest::read(&loaded.base).map_err(|error| error.to_string())?;
        loaded.shadow.apply(&digest);
    }
    for StoredUpdate {
        seq,
        update,
        skipped,
    } in past.tail
    {
        let digest = match Digest::read(&update) {
            Ok(digest) => digest,
            Err(error) => {
                loaded.unreadable.push((seq, error.to_string()));
                continue;
            }
        };
        match loaded.shadow.verdict(&digest) {
            _ if skipped => {
                loaded.shadow.apply(&digest);
                loaded.unmergeable.push((seq, update));
            }
            Verdict::NoOp => {}
            Verdict::Ready => {
                loaded.shadow.apply(&digest);
                loaded.tail.push((seq, update));
                unpark(&mut loaded.shadow, &mut loaded.parked, &mut loaded.tail);
            }
            Verdict::Pending => loaded.parked.push((seq, update, digest)),
            Verdict::Refused(error) => loaded.unreadable.push((seq, error.to_string())),
        }
    }
    Ok(loaded)
}

/// Moves parked updates whose causes have come to the tail, behind those causes.
pub(crate) fn unpark(
    shadow: &mut Shadow,
    parked: &mut Vec<(u64, Bytes, Digest)>,
    tail: &mut Vec<(u64, Bytes)>,
) {
    loop {
        let before = parked.len();
        parked.retain(|(seq, update, digest)| match shadow.verdict(digest) {
            Verdict::Pending | Verdict::Refused(_) => true,
            Verdict::NoOp => false,
            Verdict::Ready => {
                shadow.apply(digest);
                tail.push((*seq, update.clone()));
                false
            }
        });
        if parked.len() == before || parked.is_empty() {
            return;
        }
    }
}

impl Work {
    fn run(mut self) -> Worked {
        let mut worked = Worked {
            name: std::mem::take(&mut self.name),
            engine: None,
            encoded: None,
            diffs: Vec::new(),
            answers: Vec::new(),
            failed: Vec::new(),
            broken: None,
        };
        let engine = match self.up_to_date(&mut worked.failed) {
            Ok(engine) => engine,
            Err(error) => {
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
            Ok((whole, diffs)) => {
                (worked.encoded, worked.diffs) = (whole, diffs);
                worked.engine = self.answer(engine, &mut worked.answers);
            }
            Err(error) => worked.broken = Some(error),
        }
        worked
    }

    /// Answers the requests. Gives the document back, unless one of them broke it: then the others
    /// are refused too.
    fn answer(
        &self,
        mut engine: Engine,
        answers: &mut Vec<(RequestId, Result<Outcome, Refuse>)>,
    ) -> Option<Engine> {
        let mut asks = self.asks.iter();
        for (id, ask) in asks.by_ref() {
            match guarded(|| engine.answer(ask)) {
                Ok(answer) => answers.push((*id, answer)),
                Err(error) => {
                    let refuse = Refuse::new("document_unreadable", error);
                    answers.push((*id, Err(refuse.clone())));
                    answers.extend(asks.map(|(id, _)| (*id, Err(refuse.clone()))));
                    return None;
                }
            }
        }
        Some(engine)
    }

    /// The document with all of the tail in it, but for those updates that it cannot take.
    fn up_to_date(&mut self, failed: &mut Vec<(u64, String)>) -> Result<Engine, String> {
        if let Some((mut engine, merged)) = self.engine.take().filter(|_| !self.careful) {
            let news = self.tail[merged..].iter();
            if matches!(guarded(|| engine.apply(news.map(|(_, u)| u))), Ok(Ok(()))) {
                return Ok(engine);
            }
        }
        if !self.careful {
            // All at once is several times cheaper than one by one.
            let mut engine = self.base_alone()?;
            let all = self.tail.iter().map(|(_, update)| update);
            if matches!(guarded(|| engine.apply(all)), Ok(Ok(()))) {
                return Ok(engine);
            }
        }
        self.one_by_one(failed)
    }

    fn base_alone(&self) -> Result<Engine, String> {
        guarded(|| {
            let mut engine = Engine::new(self.client);
            let base = Some(&self.base).filter(|base| !base.is_empty());
            engine.apply(base).map_err(|(_, error)| error)?;
            Ok(engine)
        })?
    }

    /// Finds what cannot be merged. A document that panicked is of no use, so each culprit costs a
    /// fresh start without it. What lacks its causes then is left out too: yrs loses contents when
    /// it keeps updates for later.
    fn one_by_one(&self, failed: &mut Vec<(u64, String)>) -> Result<Engine, String> {
        let base = (!self.base.is_empty()).then(|| Digest::read(&self.base));
        let base = base.transpose().map_err(|error| error.to_string())?;
        'anew: loop {
            let mut engine = self.base_alone()?;
            let mut known = base.as_ref().map(Shadow::of).unwrap_or_default();
            for (seq, update) in &self.tail {
                if failed.iter().any(|(left_out, _)| left_out == seq) {
                    continue;
                }
                let digest = Digest::read(update).map_err(|error| error.to_string())?;
                match known.verdict(&digest) {
                    Verdict::Ready => {}
                    Verdict::NoOp => continue,
                    Verdict::Pending | Verdict::Refused(_) => {
                        failed.push((*seq, "what it builds on could not be merged".into()));
                        continue;
                    }
                }
                match guarded(|| engine.apply([update])) {
                    Ok(Ok(())) => known.apply(&digest),
                    Ok(Err((_, error))) | Err(error) => {
                        failed.push((*seq, error));
                        continue 'anew;
                    }
                }
            }
            return Ok(engine);
        }
    }
}

fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| "yrs panicked".into())
}
