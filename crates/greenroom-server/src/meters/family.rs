//! What is counted, and how it is written down for Prometheus (text format 0.0.4).
//!
//! Our own, where a crate would do: a meter is one relaxed atomic behind a static reference, a
//! histogram has a fixed size whether anybody scrapes it or not, and what is not in the table
//! cannot be counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Series of one metric; what would be one more is counted as `other`. Labels are bounded by what
/// is configured, and this bounds that.
const SERIES_MAX: usize = 1_000;

/// The value of every label of the series that took in what did not fit.
const OTHER: &str = "other";

/// What a metric is declared as.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it counts.
    pub(crate) unit: &'static str,
    /// The names of its labels.
    pub(crate) labels: &'static [&'static str],
    /// What it means, in lines.
    pub(crate) help: &'static [&'static str],
    /// The upper bounds of a histogram's buckets; empty for others.
    pub(crate) buckets: &'static [f64],
}

impl Declared {
    /// What it means, in one line.
    pub(crate) fn help_text(&self) -> String {
        let lines: Vec<_> = self.help.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }
}

/// What a family is made of.
pub(crate) trait Meter: Sized + Send + Sync {
    /// The word for it in the text format.
    const KIND: &'static str;

    /// One at zero.
    fn new(declared: &Declared) -> Self;

    /// Writes its lines; `labels` is `a="b",c="d"`.
    fn render(&self, declared: &Declared, labels: &str, out: &mut String);
}

/// A metric with all its series.
#[derive(Debug)]
pub(crate) struct Family<M: 'static> {
    declared: Declared,
    /// Looked at when handles are made and when they are shown, not when something is counted.
    series: Mutex<BTreeMap<Vec<String>, &'static M>>,
}

impl<M: Meter> Family<M> {
    /// An empty family.
    pub(crate) const fn new(declared: Declared) -> Self {
        Self {
            declared,
            series: Mutex::new(BTreeMap::new()),
        }
    }

    /// The series with these values of its labels. It lives as long as the process, so that nobody
    /// who counts has to look it up again.
    ///
    /// # Panics
    /// When there are not as many values as labels.
    pub(crate) fn with(&self, values: &[&str]) -> &'static M {
        assert_eq!(
            values.len(),
            self.declared.labels.len(),
            "{}: a value for each label",
            self.declared.name
        );
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
        if series.len() >= SERIES_MAX && !series.contains_key(&key) {
            key.fill(OTHER.to_owned());
        }
        series
            .entry(key)
            .or_insert_with(|| Box::leak(Box::new(M::new(&self.declared))))
    }
}

impl<M> Family<M> {
    /// The upper bounds of a histogram's buckets.
    pub(crate) const fn buckets(&self) -> &'static [f64] {
        self.declared.buckets
    }

    /// What `look` sees of each series, by the values of its labels.
    pub(crate) fn all<T>(&self, look: impl Fn(&M) -> T) -> BTreeMap<Vec<String>, T> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = series
            .iter()
            .map(|(values, meter)| (values.clone(), look(meter)));
        seen.collect()
    }
}

/// A family whatever it is made of.
pub(crate) trait Collect: Sync {
    /// What it is declared as.
    fn declared(&self) -> &Declared;

    /// The word for its type in the text format.
    fn kind(&self) -> &'static str;

    /// Writes its help, its type and its series.
    fn render(&self, out: &mut String);
}

impl<M: Meter> Collect for Family<M> {
    fn declared(&self) -> &Declared {
        &self.declared
    }

    fn kind(&self) -> &'static str {
        M::KIND
    }

    fn render(&self, out: &mut String) {
        let Declared { name, labels, .. } = self.declared;
        let help = self.declared.help_text();
        let help = help.replace('\\', "\\\\");
        // Writing to a string does not fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", M::KIND);
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        for (values, meter) in series.iter() {
            let pairs = labels.iter().zip(values);
            let pairs = pairs.map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
            let pairs: Vec<_> = pairs.collect();
            meter.render(&self.declared, &pairs.join(","), out);
        }
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let _ = if labels.is_empty() {
        writeln!(out, "{name} {value}")
    } else {
        writeln!(out, "{name}{{{labels}}} {value}")
    };
}

/// A number with a fraction that many may change.
#[derive(Debug, Default)]
struct Number(AtomicU64);

impl Number {
    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    fn add(&self, value: f64) {
        let more = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // It always has a next value, so that this cannot fail.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Counts up.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Counts `n`.
    pub(crate) fn increment(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// What it stands at.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Meter for Counter {
    const KIND: &'static str = "counter";

    fn new(_: &Declared) -> Self {
        Self(AtomicU64::new(0))
    }

    fn render(&self, declared: &Declared, labels: &str, out: &mut String) {
        line(
            out,
            declared.name,
            labels,
            self.0.load(Ordering::Relaxed) as f64,
        );
    }
}

/// What somebody else counts, read when it is shown.
#[derive(Debug)]
pub(crate) struct Reading(Number);

impl Reading {
    /// Sets what it stands at.
    pub(crate) fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// What it stands at.
    pub(crate) fn get(&self) -> f64 {
        self.0.get()
    }
}

impl Meter for Reading {
    const KIND: &'static str = "counter";

    fn new(_: &Declared) -> Self {
        Self(Number::default())
    }

    fn render(&self, declared: &Declared, labels: &str, out: &mut String) {
        line(out, declared.name, labels, self.0.get());
    }
}

/// Goes up and down.
#[derive(Debug)]
pub(crate) struct Gauge(Number);

impl Gauge {
    /// Sets what it stands at.
    pub(crate) fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// What it stands at.
    pub(crate) fn get(&self) -> f64 {
        self.0.get()
    }

    /// `by` more; less when it is negative.
    pub(crate) fn add(&self, by: f64) {
        self.0.add(by);
    }
}

impl Meter for Gauge {
    const KIND: &'static str = "gauge";

    fn new(_: &Declared) -> Self {
        Self(Number::default())
    }

    fn render(&self, declared: &Declared, labels: &str, out: &mut String) {
        line(out, declared.name, labels, self.0.get());
    }
}

/// How values are spread over fixed buckets.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above the last.
    counts: Box<[AtomicU64]>,
    sum: Number,
}

impl Histogram {
    /// Counts a value.
    pub(crate) fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    /// How many values fell into each bucket, the last one those above all bounds.
    pub(crate) fn counts(&self) -> Vec<u64> {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Counts a value `n` times.
    pub(crate) fn record_many(&self, value: f64, n: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(n, Ordering::Relaxed);
        self.sum.add(value * n as f64);
    }
}

impl Meter for Histogram {
    const KIND: &'static str = "histogram";

    fn new(declared: &Declared) -> Self {
        let buckets = 0..=declared.buckets.len();
        Self {
            bounds: declared.buckets,
            counts: buckets.map(|_| AtomicU64::new(0)).collect(),
            sum: Number::default(),
        }
    }

    fn render(&self, declared: &Declared, labels: &str, out: &mut String) {
        let name = declared.name;
        let comma = if labels.is_empty() { "" } else { "," };
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (at, count) in self.counts.iter().enumerate() {
            below += count.load(Ordering::Relaxed);
            let bound = self.bounds.get(at);
            let bound = bound.map_or_else(|| "+Inf".to_owned(), ToString::to_string);
            let labels = format!("{labels}{comma}le=\"{bound}\"");
            line(out, &bucket, &labels, below as f64);
        }
        line(out, &format!("{name}_sum"), labels, self.sum.get());
        line(out, &format!("{name}_count"), labels, below as f64);
    }
}
