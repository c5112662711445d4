//! How long a durable acknowledgement takes, against the disk itself.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use crate::frame::Opcode;
use crate::kinds::Kind;
use crate::measurement::{Sheet, Spread};
use crate::server::{Places, Server};
use crate::swarm::Swarm;

/// Counters, each with one client that waits for each answer.
const ROOMS: usize = 10;
/// Increments per second of each.
const RATE: f64 = 20.0;
const LOAD: Duration = Duration::from_secs(5);
/// How long something may take that is waited for.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Raw syncs, each after as many bytes as a small commit has.
const SYNCS: usize = 500;
const SYNC_BYTES: usize = 4_096;

/// Lets clients of counters count, one increment at a time each.
///
/// # Errors
/// When the server cannot be started, does not answer, or ends meanwhile.
pub(crate) fn run(kind: &'static Kind, places: &Places) -> Result<Sheet> {
    let mut sheet = Sheet::new("acknowledgements", kind.name);
    let server = Server::start(kind, places)?;
    let raw = Spread::of(&raw_syncs(server.data())?);
    sheet.put("raw fdatasync p50 ms", raw.p50_ms);
    sheet.put("raw fdatasync p99 ms", raw.p99_ms);
    let mut swarm = Swarm::new(server.address, kind.dialect)?;
    for room in 0..ROOMS {
        swarm.add_room(format!("counter{room}"), 0);
    }
    swarm.fill(0..ROOMS, 1, WAIT_MAX)?;
    swarm.rest(Duration::from_millis(500))?;
    swarm.begin()?;

    let cpu = server.cpu_time()?;
    let mut waits = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
    let mut sent_at: Vec<Option<Instant>> = vec![None; ROOMS];
    let started = Instant::now();
    let mut increments = 0_u64;
    while started.elapsed() < LOAD {
        let due = Duration::from_secs_f64(increments as f64 / (RATE * ROOMS as f64));
        let room = increments as usize % ROOMS;
        if started.elapsed() >= due && sent_at[room].is_none() {
            swarm.send(room, Opcode::Text, b"increment")?;
            sent_at[room] = Some(Instant::now());
            increments += 1;
        }
        swarm.turn(Duration::from_millis(1))?;
        take_answers(&mut swarm, &mut sent_at, &mut waits);
    }
    swarm.rest_until(WAIT_MAX, |swarm| {
        waits.len() + swarm.seen.texts.len() as u64 >= increments
    })?;
    take_answers(&mut swarm, &mut sent_at, &mut waits);
    ensure!(
        waits.len() == increments,
        "{} of {increments} answered",
        waits.len()
    );
    let acks = Spread::of(&waits);
    sheet.put("increments", increments as f64);
    sheet.put("ack p50 ms", acks.p50_ms);
    sheet.put("ack p99 ms", acks.p99_ms);
    sheet.put("ack max ms", acks.max_ms);
    sheet.put("ack p99 / raw p99", acks.p99_ms / raw.p99_ms);
    let cpu = server.cpu_time()? - cpu;
    sheet.put(
        "CPU us per ack",
        cpu.as_secs_f64() * 1e6 / increments as f64,
    );
    Ok(sheet)
}

fn take_answers(swarm: &mut Swarm, sent_at: &mut [Option<Instant>], waits: &mut Histogram<u64>) {
    for (peer, at) in swarm.seen.texts.drain(..) {
        if let Some(sent) = sent_at[peer].take() {
            waits.saturating_record(at.duration_since(sent).as_micros() as u64);
        }
    }
}

/// Appends and syncs in `directory`, as often as the constants say; gives microseconds.
fn raw_syncs(directory: &Path) -> Result<Histogram<u64>> {
    let path = directory.join("raw-syncs");
    let mut file = File::create(&path)?;
    let mut times = Histogram::new_with_bounds(1, 600_000_000, 3)?;
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[7; SYNC_BYTES])?;
        file.sync_data()?;
        times.saturating_record(started.elapsed().as_micros() as u64);
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(times)
}
