//! The workloads, as data.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::swarm::Payload;

/// How a workload is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// Every writer at its rate.
    Steady,
    /// So many updates of the first writer under way in each room.
    Saturated,
}

/// One workload with all its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// What it is called in results.
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) payload: Payload,
    pub(crate) rooms: usize,
    /// Connections per room, the writers among them.
    pub(crate) members: usize,
    /// Writers per room.
    pub(crate) writers: usize,
    /// Updates per second of each writer.
    pub(crate) rate: f64,
    /// Updates under way per room, where that drives it.
    pub(crate) outstanding: usize,
    /// Bytes of text in an update, or of JSON in a presence.
    pub(crate) text_bytes: usize,
    /// Connections per room that never read.
    pub(crate) stuck: usize,
    /// Whether the times are kept for each member too.
    #[serde(default)]
    pub(crate) each_member: bool,
    /// How long the load goes on before it is measured, and while.
    pub(crate) warm_up_s: f64,
    pub(crate) load_s: f64,
    /// How long the server is still measured after the last delivery.
    pub(crate) settle_s: f64,
}

/// The workloads that are a fan-out of updates.
pub(crate) fn all() -> Vec<Workload> {
    vec![
        steady("steady"),
        Workload {
            shape: Shape::Saturated,
            rate: 0.0,
            outstanding: 4,
            load_s: 3.0,
            ..steady("saturated")
        },
        Workload {
            rooms: 1_000,
            members: 2,
            rate: 5.0,
            ..steady("small-rooms")
        },
        Workload {
            rooms: 1,
            members: 6,
            rate: 200.0,
            text_bytes: 1_000,
            ..steady("long-text")
        },
        Workload {
            payload: Payload::Awareness,
            rooms: 1,
            writers: 50,
            rate: 10.0,
            text_bytes: 60,
            ..steady("presence")
        },
        Workload {
            rooms: 1,
            members: 1_000,
            rate: 10.0,
            // A hundred updates, so that each member has a 99th percentile.
            load_s: 10.0,
            each_member: true,
            ..steady("big-room")
        },
        Workload {
            rooms: 100,
            members: 2,
            ..steady("busy-rooms")
        },
        Workload {
            members: 120,
            stuck: 20,
            ..many_readers("stuck")
        },
        many_readers("stuck-none"),
    ]
}

/// What the others are variants of: a few rooms with one writer each.
fn steady(name: &str) -> Workload {
    Workload {
        name: name.to_owned(),
        shape: Shape::Steady,
        payload: Payload::Text,
        rooms: 10,
        members: 50,
        writers: 1,
        rate: 20.0,
        outstanding: 0,
        text_bytes: 24,
        stuck: 0,
        each_member: false,
        warm_up_s: 1.0,
        load_s: 4.0,
        settle_s: 2.0,
    }
}

/// So much that the kernel's buffers, about 3 MB for one reader, overflow when it is stuck.
fn many_readers(name: &str) -> Workload {
    Workload {
        rooms: 1,
        members: 100,
        writers: 10,
        rate: 100.0,
        text_bytes: 500,
        load_s: 10.0,
        ..steady(name)
    }
}

/// The workload called `name`.
///
/// # Errors
/// When there is none; the error lists those that there are.
pub(crate) fn named(name: &str) -> Result<Workload> {
    all().into_iter().find(|w| w.name == name).with_context(|| {
        let names: Vec<String> = all().into_iter().map(|w| w.name).collect();
        format!("no workload {name}; there are {}", names.join(", "))
    })
}
