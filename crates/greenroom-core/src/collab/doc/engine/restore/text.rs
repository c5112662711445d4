//! Texts: letters are known by the ids they were typed under.

use std::collections::{BTreeMap, BTreeSet};

use yrs::types::text::{Diff, YChange};
use yrs::types::{Attrs, Delta};
use yrs::{Any, In, Out, ReadTxn, Snapshot, Text};

use super::align::Key;
use super::{NestedId, Side, content, empty_like, id_of, sync as sync_nested};

/// A stretch of a text, or something that stands in it.
#[derive(Clone)]
struct Piece {
    content: Content,
    attributes: Attrs,
    /// Whether the other side has it too.
    shared: bool,
    /// What it is known by, if it is no letters.
    key: Option<Key>,
}

#[derive(Clone)]
enum Content {
    Letters {
        client: u64,
        clock: u32,
        units: Vec<u16>,
    },
    Other(Out),
}

/// What one side has.
#[derive(Default)]
struct Held {
    /// Letters, in UTF-16 units, by the id of the first.
    letters: BTreeMap<(u64, u32), u32>,
    /// Nested types that stand among them.
    nested: BTreeSet<NestedId>,
    /// What else stands among them.
    others: BTreeSet<String>,
}

/// Whether there are letters in it, or what is embedded among letters: the values of an array are
/// neither.
pub(super) fn has_letters<T: Text, R: ReadTxn>(text: &T, transaction: &R) -> bool {
    let chunks = text.diff(transaction, YChange::identity);
    chunks
        .iter()
        .any(|chunk| matches!(chunk.insert, Out::Any(_)))
}

/// Makes the text `to` what `from` was.
pub(super) fn sync<T: Text>(to: &T, from: &T, now: &mut Side<'_, '_>, then: &mut Side<'_, '_>) {
    let (is, was) = (
        content::of_text(to, now.transaction),
        content::of_text(from, then.transaction),
    );
    if is != was {
        let (is, was) = (pieces(to, now), pieces(from, then));
        let has = Held::of(&is, now.transaction);
        let had = Held::of(&was, then.transaction);
        let (is, was) = (
            cut(is, &had, now.transaction),
            cut(was, &has, then.transaction),
        );
        let delta = delta(is, was);
        to.apply_delta(now.transaction, delta);
    }
    settle_attributes(to, from, now, then);
    // What stands in it is in the same order now.
    let nested = |text: &T, side: &Side<'_, '_>| {
        let chunks = text.diff(side.transaction, YChange::identity);
        let chunks = chunks.into_iter().map(|chunk| chunk.insert);
        let nested = chunks.filter(|out| out.try_branch().is_some() && empty_like(out).is_some());
        nested.collect::<Vec<_>>()
    };
    for (is, was) in nested(to, now).iter().zip(nested(from, then)) {
        sync_nested(is, &was, now, then);
    }
}

/// The letters are in place. Where the marks of what was removed made them look otherwise than
/// wanted, they are set again; a mark that ends at one place may begin to count at another, so
/// that this may take a second time.
fn settle_attributes<T: Text>(to: &T, from: &T, now: &mut Side<'_, '_>, then: &Side<'_, '_>) {
    const TIMES_MAX: usize = 4;
    let wanted = content::of_text(from, then.transaction);
    for _ in 0..TIMES_MAX {
        if content::of_text(to, now.transaction) == wanted {
            return;
        }
        let (is, was) = (
            stretches(to, now.transaction),
            stretches(from, then.transaction),
        );
        let mut delta: Vec<Delta<In>> = Vec::new();
        let (mut is, mut was) = (is.into_iter().peekable(), was.into_iter().peekable());
        while let (Some(here), Some(wanted)) = (is.peek_mut(), was.peek_mut()) {
            let len = here.0.min(wanted.0);
            delta.push(Delta::Retain(len, changed(&here.1, &wanted.1)));
            (here.0, wanted.0) = (here.0 - len, wanted.0 - len);
            let ends = (here.0 == 0, wanted.0 == 0);
            is.next_if(|_| ends.0);
            was.next_if(|_| ends.1);
        }
        to.apply_delta(now.transaction, delta);
    }
}

/// How many units look how.
fn stretches<T: Text, R: ReadTxn>(text: &T, transaction: &R) -> Vec<(u32, Attrs)> {
    let chunks = text.diff(transaction, YChange::identity).into_iter();
    let stretch = |chunk: Diff<YChange>| {
        let len = match &chunk.insert {
            Out::Any(Any::String(text)) => text.encode_utf16().count() as u32,
            _ => 1,
        };
        (
            len,
            chunk.attributes.map_or_else(Attrs::default, |all| *all),
        )
    };
    chunks.map(stretch).collect()
}

/// The text in pieces that were each typed in one go.
fn pieces<T: Text>(text: &T, side: &mut Side<'_, '_>) -> Vec<Piece> {
    let nothing = Snapshot::default();
    let whole = Some(&side.snapshot);
    // Measured against nothing, each piece counts as added, under its id.
    let chunks = text.diff_range(side.transaction, whole, Some(&nothing), YChange::identity);
    let piece = |chunk: Diff<YChange>| Piece {
        content: match (chunk.insert, chunk.ychange) {
            (Out::Any(Any::String(text)), Some(change)) => Content::Letters {
                client: change.id.client.get(),
                clock: change.id.clock,
                units: text.encode_utf16().collect(),
            },
            (other, _) => Content::Other(other),
        },
        attributes: chunk.attributes.map_or_else(Attrs::default, |all| *all),
        shared: false,
        key: None,
    };
    chunks.into_iter().map(piece).collect()
}

impl Held {
    fn of<T: ReadTxn>(pieces: &[Piece], transaction: &T) -> Self {
        let mut held = Self::default();
        for piece in pieces {
            match &piece.content {
                Content::Letters {
                    client,
                    clock,
                    units,
                } => {
                    held.letters.insert((*client, *clock), units.len() as u32);
                }
                Content::Other(out) => {
                    held.nested.extend(id_of(out));
                    held.others.insert(content::of(out, transaction));
                }
            }
        }
        held
    }
}

/// Cuts the pieces where `other` begins or ends to have them, and notes what it has.
fn cut<T: ReadTxn>(pieces: Vec<Piece>, other: &Held, transaction: &T) -> Vec<Piece> {
    let mut all = Vec::with_capacity(pieces.len());
    for mut piece in pieces {
        match &piece.content {
            Content::Letters {
                client,
                clock,
                units,
            } => cut_letters((*client, *clock), units, &piece.attributes, other, &mut all),
            Content::Other(out) => {
                let key = match id_of(out).filter(|id| other.nested.contains(id)) {
                    Some(id) => Key::Shared(id),
                    None => Key::Content(content::of(out, transaction)),
                };
                piece.shared = match &key {
                    Key::Shared(_) => true,
                    Key::Content(content) => other.others.contains(content),
                };
                piece.key = Some(key);
                all.push(piece);
            }
        }
    }
    all
}

fn cut_letters(
    (client, clock): (u64, u32),
    units: &[u16],
    attributes: &Attrs,
    other: &Held,
    all: &mut Vec<Piece>,
) {
    let end = clock + units.len() as u32;
    let mut push = |from: u32, to: u32, shared: bool| {
        if from < to {
            let content = Content::Letters {
                client,
                clock: from,
                units: units[(from - clock) as usize..(to - clock) as usize].to_vec(),
            };
            all.push(Piece {
                content,
                attributes: attributes.clone(),
                shared,
                key: None,
            });
        }
    };
    let before = other.letters.range(..=(client, clock)).next_back();
    let within = other.letters.range((client, clock + 1)..(client, end));
    let mut at = clock;
    for ((of, from), len) in before.into_iter().chain(within) {
        let (from, to) = ((*from).max(at), (from + len).min(end));
        if *of == client && from < to {
            push(at, from, false);
            push(from, to, true);
            at = to;
        }
    }
    push(at, end, false);
}

/// The change by which the text of the pieces `is` becomes that of `was`.
fn delta(is: Vec<Piece>, was: Vec<Piece>) -> Vec<Delta<In>> {
    let mut delta = Vec::new();
    let (mut is, mut was) = (is.into_iter().peekable(), was.into_iter().peekable());
    loop {
        match (is.peek_mut(), was.peek_mut()) {
            (None, None) => return delta,
            (Some(here), Some(wanted)) if is_kept(here, wanted) => {
                let len = here.len().min(wanted.len());
                let changed = changed(&here.attributes, &wanted.attributes);
                delta.push(Delta::Retain(len, changed));
                if here.drop_front(len) {
                    is.next();
                }
                if wanted.drop_front(len) {
                    was.next();
                }
            }
            // What is to be kept waits for its like; what stands before that goes first.
            (Some(here), wanted) if !here.shared || wanted.is_none() => {
                delta.push(Delta::Deleted(here.len()));
                is.next();
            }
            (here, Some(wanted)) if here.is_none() || !wanted.shared => {
                delta.extend(wanted.insert());
                was.next();
            }
            // Both are shared and in another order: that is no past of this document.
            (Some(here), _) => {
                delta.push(Delta::Deleted(here.len()));
                is.next();
            }
            (None, Some(_)) => unreachable!("taken above"),
        }
    }
}

/// Whether what is `here` is what is `wanted`, at least its beginning.
fn is_kept(here: &Piece, wanted: &Piece) -> bool {
    match (&here.content, &wanted.content) {
        (
            Content::Letters { client, clock, .. },
            Content::Letters {
                client: wanted_client,
                clock: wanted_clock,
                ..
            },
        ) => here.shared && (client, clock) == (wanted_client, wanted_clock),
        (Content::Other(_), Content::Other(_)) => here.shared && here.key == wanted.key,
        _ => false,
    }
}

impl Piece {
    fn len(&self) -> u32 {
        match &self.content {
            Content::Letters { units, .. } => units.len() as u32,
            Content::Other(_) => 1,
        }
    }

    /// Drops so many units; whether nothing is left.
    fn drop_front(&mut self, len: u32) -> bool {
        match &mut self.content {
            Content::Letters { clock, units, .. } => {
                units.drain(..len as usize);
                *clock += len;
                units.is_empty()
            }
            Content::Other(_) => true,
        }
    }

    /// Puts it there anew.
    fn insert(&self) -> Option<Delta<In>> {
        let content = match &self.content {
            Content::Letters { units, .. } => {
                In::Any(Any::String(String::from_utf16_lossy(units).into()))
            }
            Content::Other(out) => empty_like(out)?,
        };
        Some(Delta::Inserted(
            content,
            Some(Box::new(self.attributes.clone())),
        ))
    }
}

/// What has to be set so that attributes `is` become `wanted`; null for what goes.
fn changed(is: &Attrs, wanted: &Attrs) -> Option<Box<Attrs>> {
    let mut changed = Attrs::default();
    for (key, value) in wanted {
        if is.get(key) != Some(value) {
            changed.insert(key.clone(), value.clone());
        }
    }
    for key in is.keys().filter(|key| !wanted.contains_key(*key)) {
        changed.insert(key.clone(), Any::Null);
    }
    (!changed.is_empty()).then(|| Box::new(changed))
}
