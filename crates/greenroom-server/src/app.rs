//! What every handler sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use greenroom_core::limits::{EXPORTS_MAX, IMPORTS_MAX, Limits, VERSION_JOBS_MAX};
use greenroom_service::RoomId;
use tokio::sync::Semaphore;

use crate::console::SignIns;
use crate::crowd::Crowd;
use crate::edge::{Edge, wall_ms};
use crate::overview::Looks;
use crate::pace::Pace;
use crate::policy::Policy;
use crate::rooms::Rooms;
use crate::settings::{DataPlace, Settings};
use crate::store::{DiskWatch, Health, StoreHandle};

/// What every handler sees.
pub(crate) struct App {
    rooms: Arc<Rooms>,
    pub(crate) store: StoreHandle,
    /// Of the handshakes.
    pub(crate) pace: Pace,
    /// Of the WebSocket connections.
    pub(crate) crowd: Arc<Crowd>,
    /// At the counters.
    pub(crate) looks: Looks,
    /// Of the console.
    pub(crate) sign_ins: SignIns,
    /// The number of the last connection.
    connections: AtomicU64,
    draining: AtomicBool,
    /// One backup at a time.
    pub(crate) backups: Arc<Semaphore>,
    /// Exports of rooms at a time, and imports.
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) imports: Arc<Semaphore>,
    /// Versions that are read or compared at a time.
    pub(crate) version_jobs: Semaphore,
}

impl App {
    pub(crate) fn new(rooms: Arc<Rooms>, store: StoreHandle, pace: Pace) -> Self {
        let crowd = Crowd::new(rooms.edge().settings.front.connections_per_ip_max);
        let directory = match &rooms.edge().settings.data {
            DataPlace::Directory(directory) => Some(directory.as_path()),
            DataPlace::Memory => None,
        };
        let sign_ins = SignIns::new(directory, wall_ms());
        let connections = AtomicU64::new(0);
        let draining = AtomicBool::new(false);
        Self {
            rooms,
            store,
            pace,
            crowd,
            looks: Looks::default(),
            sign_ins,
            connections,
            draining,
            backups: Arc::new(Semaphore::new(1)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            imports: Arc::new(Semaphore::new(IMPORTS_MAX)),
            version_jobs: Semaphore::new(VERSION_JOBS_MAX),
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

    /// What holds now.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.edge().policy()
    }

    /// The limits of a room that would be loaded now.
    pub(crate) fn limits_of(&self, room: &RoomId) -> Arc<Limits> {
        self.policy().limits_of(room)
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// From now on `/readyz` says no.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Why it should get no traffic now, each `what: a sentence`; empty when it is ready.
    pub(crate) fn not_ready(&self, health: &Health) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("draining: the server stops".to_owned());
        }
        if let Some(why) = &health.read_only {
            reasons.push(format!("store read-only: {why}"));
        }
        let disk = self.store.disk().and_then(DiskWatch::look);
        match disk.filter(|disk| disk.is_low) {
            Some(disk) => reasons.push(format!(
                "store full: {} MiB free on its disk, writes are refused below {} MiB",
                disk.free_bytes >> 20,
                disk.min_bytes >> 20
            )),
            None if health.full => {
                reasons.push("store full: the disk has too little space, free some".to_owned());
            }
            None => {}
        }
        reasons
    }
}
