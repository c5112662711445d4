//! What every handler sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use greenroom_core::limits::Limits;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::edge::Edge;
use crate::rooms::Rooms;
use crate::settings::Settings;
use crate::store::StoreHandle;

/// What every handler sees.
pub(crate) struct App {
    rooms: Arc<Rooms>,
    limits: Arc<Limits>,
    pub(crate) store: StoreHandle,
    pub(crate) metrics: PrometheusHandle,
    /// The number of the last connection.
    connections: AtomicU64,
    draining: AtomicBool,
}

impl App {
    pub(crate) fn new(rooms: Arc<Rooms>, store: StoreHandle, metrics: PrometheusHandle) -> Self {
        let limits = Arc::new(rooms.edge().settings.limits.clone());
        let connections = AtomicU64::new(0);
        let draining = AtomicBool::new(false);
        Self {
            rooms,
            limits,
            store,
            metrics,
            connections,
            draining,
        }
    }

    pub(crate) fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    pub(crate) fn edge(&self) -> &Arc<Edge> {
        self.rooms.edge()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.edge().settings
    }

    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// From now on `/readyz` says no.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server stops.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
