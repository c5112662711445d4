//! Many join a document with a long past at once, warm and after a restart, while another room
//! works.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use crate::frame::Opcode;
use crate::kinds::Kind;
use crate::machine;
use crate::measurement::{Sheet, Spread};
use crate::pacer::Pacer;
use crate::server::{Places, Server};
use crate::swarm::{Payload, Stage, Swarm};

/// Edits in the document's past, in messages of so many.
const EDITS: usize = 100_000;
const EDITS_PER_MESSAGE: usize = 1_000;
/// The letters alone: who got fewer bytes got no whole document.
const WHOLE_BYTES: u64 = 2 * EDITS as u64;
/// Those that join at once.
const JOINERS: usize = 50;
/// Members of the other room, and the updates per second of its writer.
const OTHERS: usize = 10;
const OTHERS_RATE: f64 = 50.0;
/// How long the other room works alone, and during the joins.
const WINDOW: Duration = Duration::from_secs(3);
/// How long something may take that is waited for.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Fills the document, lets everybody join, restarts the server, lets everybody join again.
///
/// # Errors
/// When the server cannot be started, or ends or refuses connections meanwhile.
pub(crate) fn run(kind: &'static Kind, places: &Places) -> Result<Sheet> {
    let mut sheet = Sheet::new("joins", kind.name);
    let mut server = Server::start(kind, places)?;
    fill(&server, &mut sheet)?;
    joins(&server, "warm", &mut sheet)?;
    if kind.durable {
        server.restart()?;
        first_join(&server, &mut sheet)?;
        server.restart()?;
        joins(&server, "cold", &mut sheet)?;
    }
    Ok(sheet)
}

/// One writer brings its past along; the server may digest it before the measurement.
fn fill(server: &Server, sheet: &mut Sheet) -> Result<()> {
    let mut swarm = Swarm::new(server.address, server.kind.dialect)?;
    server.prepare_room("past")?;
    swarm.add_room("past".to_owned(), 1);
    swarm.fill(0..1, 1, WAIT_MAX)?;
    let (started, cpu) = (Instant::now(), server.cpu_time()?);
    for _ in 0..EDITS / EDITS_PER_MESSAGE {
        let mut message = Vec::new();
        let room = &mut swarm.rooms[0];
        server.kind.dialect.put_front(&mut message, &room.name);
        room.writers[0].put_edits(&mut message, EDITS_PER_MESSAGE);
        swarm.send(0, Opcode::Binary, &message)?;
        swarm.turn(Duration::from_millis(10))?;
    }
    // A repeated handshake is answered after everything before it.
    let again = server.kind.dialect.hello("past");
    swarm.peers[0].stage = Stage::Open;
    for message in again {
        swarm.send(0, Opcode::Binary, &message)?;
    }
    let done = swarm.rest_until(WAIT_MAX, |swarm| swarm.peers[0].stage == Stage::InStep)?;
    ensure!(done, "the document was not taken in within {WAIT_MAX:?}");
    sheet.put("fill s", started.elapsed().as_secs_f64());
    swarm.rest(Duration::from_secs(3))?;
    sheet.put(
        "fill CPU ms",
        (server.cpu_time()? - cpu).as_secs_f64() * 1e3,
    );
    Ok(())
}

/// One joins a document that nobody had open.
fn first_join(server: &Server, sheet: &mut Sheet) -> Result<()> {
    let mut swarm = Swarm::new(server.address, server.kind.dialect)?;
    swarm.whole_bytes = WHOLE_BYTES;
    server.prepare_room("past")?;
    let past = swarm.add_room("past".to_owned(), 0);
    swarm.connect(past)?;
    wait_for_all(&mut swarm, 0)?;
    let wait = Spread::of(&waits_of_joiners(&swarm, 0)?);
    sheet.put("cold first join ms", wait.max_ms);
    Ok(())
}

/// Waits until all from the `first` on have the whole document.
fn wait_for_all(swarm: &mut Swarm, first: usize) -> Result<()> {
    let done = swarm.rest_until(WAIT_MAX, |swarm| {
        swarm.peers[first..].iter().all(|peer| peer.whole.is_some())
    })?;
    ensure!(
        done,
        "not all have the whole document after {WAIT_MAX:?}: one has {} bytes",
        swarm.peers[first..]
            .iter()
            .map(|peer| peer.content_bytes)
            .min()
            .unwrap_or(0)
    );
    Ok(())
}

/// Measures the other room alone, then while everybody joins; the names in the sheet begin with
/// `when`.
fn joins(server: &Server, when: &str, sheet: &mut Sheet) -> Result<()> {
    let mut swarm = Swarm::new(server.address, server.kind.dialect)?;
    swarm.whole_bytes = WHOLE_BYTES;
    let other = format!("other-{when}");
    for name in [other.as_str(), "past"] {
        server.prepare_room(name)?;
    }
    let other = swarm.add_room(other, 1);
    let past = swarm.add_room("past".to_owned(), 0);
    swarm.fill(other..other + 1, OTHERS, WAIT_MAX)?;
    let pacer = Pacer {
        first_room: other,
        rooms: 1,
        writers: 1,
        rate: OTHERS_RATE,
        payload: Payload::Text,
        text_bytes: 24,
    };
    swarm.begin()?;
    let cpu = server.cpu_time()?;
    pacer.run(&mut swarm, WINDOW, |_| Ok(()))?;
    let alone = server.cpu_time()? - cpu;
    sheet.put(
        &format!("{when} other room alone max ms"),
        Spread::of(&swarm.seen.latency).max_ms,
    );

    swarm.begin()?;
    let cpu = server.cpu_time()?;
    let mut left = JOINERS;
    pacer.run(&mut swarm, WINDOW, |swarm| {
        for _ in 0..std::mem::take(&mut left) {
            swarm.connect(past)?;
        }
        Ok(())
    })?;
    wait_for_all(&mut swarm, OTHERS)?;
    let during = server.cpu_time()? - cpu;
    sheet.put(
        &format!("{when} other room max ms"),
        Spread::of(&swarm.seen.latency).max_ms,
    );
    let waits = Spread::of(&waits_of_joiners(&swarm, OTHERS)?);
    sheet.put(&format!("{when} join p50 ms"), waits.p50_ms);
    sheet.put(&format!("{when} join max ms"), waits.max_ms);
    let cpu = during.saturating_sub(alone).as_secs_f64();
    sheet.put(
        &format!("{when} CPU per join ms"),
        cpu * 1e3 / JOINERS as f64,
    );
    let bytes: u64 = swarm.peers[OTHERS..]
        .iter()
        .map(|peer| peer.content_bytes)
        .sum();
    sheet.put(
        &format!("{when} kB per join"),
        bytes as f64 / 1e3 / JOINERS as f64,
    );
    let (_, resident_max) = machine::resident_kib(server.process())?;
    sheet.put(&format!("{when} RSS max MB"), resident_max as f64 / 1_024.0);
    Ok(())
}

/// How long those from the `first` on waited for the whole document, in microseconds.
fn waits_of_joiners(swarm: &Swarm, first: usize) -> Result<Histogram<u64>> {
    let mut waits = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
    for peer in &swarm.peers[first..] {
        let whole = peer.whole.unwrap_or(peer.opened);
        waits.saturating_record(whole.duration_since(peer.opened).as_micros() as u64);
    }
    Ok(waits)
}
