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
    /// How long the load goes on before it is measured, and while.
    pub(crate) warm_up_s: f64,
    pub(crate) load_s: f64,
    /// How long the server is still measured after the last delivery.
    pub(crate) settle_s: f64,
}

/// The workloads that are a fan-out of updates.
pub(crate) fn all() -> Vec<Workload> {
    let steady = Workload {
        name: "steady".to_owned(),
        shape: Shape::Steady,
        payload: Payload::Text,
        rooms: 10,
        members: 50,
        writers: 1,
        rate: 20.0,
        outstanding: 0,
        text_bytes: 24,
        stuck: 0,
        warm_up_s: 1.0,
        load_s: 4.0,
        settle_s: 2.0,
    };
    let like_steady = |name: &str| Workload {
        name: name.to_owned(),
        ..steady.clone()
    };
    vec![
        Workload {
            shape: Shape::Saturated,
            rate: 0.0,
            outstanding: 4,
            load_s: 3.0,
            ..like_steady("saturated")
        },
        Workload {
            rooms: 1_000,
            members: 2,
            rate: 5.0,
            ..like_steady("small-rooms")
        },
        Workload {
            rooms: 1,
            members: 6,
            rate: 200.0,
            text_bytes: 1_000,
            ..like_steady("long-text")
        },
        Workload {
            payload: Payload::Awareness,
            rooms: 1,
            writers: 50,
            rate: 10.0,
            text_bytes: 60,
            ..like_steady("presence")
        },
        Workload {
            rooms: 1,
            members: 1_000,
            rate: 10.0,
            ..like_steady("big-room")
        },
        Workload {
            rooms: 1,
            members: 120,
            writers: 10,
            rate: 100.0,
            text_bytes: 200,
            stuck: 20,
            load_s: 6.0,
            ..like_steady("stuck")
        },
        steady,
    ]
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
