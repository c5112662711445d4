//! The counters at one moment.

use std::collections::BTreeMap;

use crate::meters::{Counter, Family, Gauge, Histogram, Reading, table};

/// What was counted up to a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// Milliseconds since the Unix epoch.
    pub(super) at_ms: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) connections: u64,
    pub(super) cpu_s: f64,
    /// By bucket, over all patterns.
    pub(super) ack: Vec<u64>,
    pub(super) lag: Vec<u64>,
    pub(super) counts: Counts,
}

/// What should not happen often, by what it is and one label.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(BTreeMap<(What, String), u64>);

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// By the limit.
    Limit,
    /// By the reason.
    NotLetIn,
    /// A page of an origin that may not connect.
    Origin,
    /// By the reason.
    StoreRefused,
    /// An event by which a room was built anew, by the kind of room.
    Fault,
}

impl Sample {
    /// As it is now.
    pub(super) fn now(at_ms: u64) -> Self {
        let mut counts = Counts::default();
        counts.add(What::Limit, &table::LIMIT_HITS, 0);
        counts.add(What::NotLetIn, &table::AUTH_FAILURES, 0);
        counts.add(What::StoreRefused, &table::STORE_REFUSED, 1);
        let refused = table::ORIGIN_REJECTED.all(Counter::get).values().sum();
        counts.put(What::Origin, "origin", refused);
        for (labels, n) in table::EVENTS.all(Counter::get) {
            if labels[1] == "fault" {
                counts.put(What::Fault, &labels[0], n);
            }
        }
        let connections = table::CONNECTIONS.all(Gauge::get);
        Self {
            at_ms,
            received: total(&table::FRAMES_RECEIVED),
            sent: total(&table::FRAMES_SENT),
            connections: connections.values().sum::<f64>() as u64,
            cpu_s: table::PROCESS_CPU_SECONDS.all(Reading::get).values().sum(),
            ack: buckets(&table::ACK_SECONDS),
            lag: buckets(&table::RUNTIME_LAG_SECONDS),
            counts,
        }
    }
}

fn total(family: &Family<Counter>) -> u64 {
    family.all(Counter::get).values().sum()
}

fn buckets(family: &Family<Histogram>) -> Vec<u64> {
    let mut all = vec![0; family.buckets().len() + 1];
    for series in family.all(Histogram::counts).values() {
        for (all, n) in all.iter_mut().zip(series) {
            *all += n;
        }
    }
    all
}

impl Counts {
    /// Counts by the label at this place.
    fn add(&mut self, what: What, family: &Family<Counter>, label: usize) {
        for (labels, n) in family.all(Counter::get) {
            self.put(what, &labels[label], n);
        }
    }

    /// Counts `n`.
    pub(super) fn put(&mut self, what: What, label: &str, n: u64) {
        *self.0.entry((what, label.to_owned())).or_default() += n;
    }

    /// What was counted after `before`, without what was not.
    pub(super) fn since(&self, before: &Self) -> Self {
        let grown = self.0.iter().filter_map(|(key, n)| {
            let more = n.saturating_sub(before.0.get(key).copied().unwrap_or(0));
            (more > 0).then(|| (key.clone(), more))
        });
        Self(grown.collect())
    }

    /// The labels of this and how often each was counted.
    pub(super) fn of(&self, what: What) -> impl Iterator<Item = (&str, u64)> {
        let of = self.0.iter().filter(move |((of, _), _)| *of == what);
        of.map(|((_, label), n)| (label.as_str(), *n))
    }
}

/// The value that this part of all lies below: within its bucket by straight line, as Prometheus
/// does it. What lies above the last bound counts as that.
pub(super) fn quantile(bounds: &[f64], counts: &[u64], part: f64) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return None;
    }
    let wanted = part * all as f64;
    let mut below = 0.0;
    for (at, n) in counts.iter().enumerate() {
        let n = *n as f64;
        if below + n >= wanted && n > 0.0 {
            let low = at.checked_sub(1).map_or(0.0, |before| bounds[before]);
            let high = bounds.get(at).copied().unwrap_or(low);
            return Some(low + (high - low) * (wanted - below) / n);
        }
        below += n;
    }
    bounds.last().copied()
}
