//! A run of updates that fan out to the members of rooms.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::kinds::Kind;
use crate::machine;
use crate::measurement::{Measurement, Spread, now_s};
use crate::pacer::{Pacer, Written};
use crate::server::{Places, Server};
use crate::swarm::Swarm;
use crate::workload::{Shape, Workload};

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(120);
/// How long after the last update deliveries are waited for.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Starts a server, connects everybody, loads it, lets it settle.
///
/// # Errors
/// When the server cannot be started, or ends or refuses connections meanwhile.
pub(crate) fn run(
    kind: &'static Kind,
    places: &Places,
    workload: &Workload,
) -> Result<Measurement> {
    let server = Server::start(kind, places)?;
    let mut swarm = Swarm::new(server.address, kind.dialect)?;
    let connected = connect(&server, &mut swarm, workload)?;
    let seconds = Duration::from_secs_f64;
    load(&mut swarm, workload, seconds(workload.warm_up_s))?;
    swarm.rest(Duration::from_millis(500))?;

    machine::forget_resident_max(server.process())?;
    let (resident_before_kib, _) = machine::resident_kib(server.process())?;
    let commits = server.commits();
    swarm.begin()?;
    swarm.seen.of_each = workload
        .each_member
        .then(|| vec![Vec::new(); swarm.peers.len()]);
    let (started, cpu, own_cpu) = (Instant::now(), server.cpu_time()?, machine::own_cpu_time());
    let written = load(&mut swarm, workload, seconds(workload.load_s))?;
    let load_s = started.elapsed().as_secs_f64();
    let own_cpu = machine::own_cpu_time() - own_cpu;
    swarm.rest(seconds(workload.settle_s.max(kind.settle_s)))?;
    let cpu = server.cpu_time()? - cpu;

    let (resident_kib, resident_max_kib) = machine::resident_kib(server.process())?;
    // What the stuck ones read later is no delivery in time.
    let (latency, deliveries) = (Spread::of(&swarm.seen.latency), swarm.seen.deliveries);
    for peer in stuck_peers(&swarm, workload) {
        swarm.unstick(peer)?;
    }
    if workload.stuck > 0 {
        swarm.rest(seconds(1.0))?;
    }
    let seen = &swarm.seen;
    Ok(Measurement {
        at_s: now_s(),
        server: kind.name.to_owned(),
        workload: workload.clone(),
        connections: swarm.peers.len(),
        connect_cpu_us: connected.0.as_secs_f64() * 1e6 / swarm.peers.len() as f64,
        connect_s: connected.1.as_secs_f64(),
        updates: written.updates,
        deliveries,
        missing: written.expected.cast_signed() - deliveries.cast_signed(),
        load_s,
        cpu_s: cpu.as_secs_f64(),
        own_cpu_s: own_cpu.as_secs_f64(),
        latency,
        worst_member_p99_ms: seen.worst_p99_ms(),
        frames: seen.frames,
        closed: seen.closed,
        resident_before_kib,
        resident_kib,
        resident_max_kib,
        commits: server
            .commits()
            .zip(commits)
            .map(|(after, before)| after - before),
    })
}

/// Brings everybody in step; gives the server's CPU for it and how long it took.
fn connect(
    server: &Server,
    swarm: &mut Swarm,
    workload: &Workload,
) -> Result<(Duration, Duration)> {
    for room in 0..workload.rooms {
        let name = format!("room{room}");
        server.prepare_room(&name)?;
        swarm.add_room(name, workload.writers);
    }
    let (started, cpu) = (Instant::now(), server.cpu_time()?);
    swarm.fill(0..workload.rooms, workload.members, CONNECT_MAX)?;
    let time = started.elapsed();
    swarm.rest(Duration::from_millis(300))?;
    let cpu = server.cpu_time()? - cpu;
    for peer in stuck_peers(swarm, workload) {
        swarm.stick(peer)?;
    }
    Ok((cpu, time))
}

/// Those that came last get stuck: the first ones write.
fn stuck_peers(swarm: &Swarm, workload: &Workload) -> Range<usize> {
    let end = swarm.peers.len();
    end - workload.rooms * workload.stuck..end
}

/// Writes for so long, then waits for the deliveries.
fn load(swarm: &mut Swarm, workload: &Workload, time: Duration) -> Result<Written> {
    let before = swarm.seen.deliveries + swarm.seen.skipped;
    let written = match workload.shape {
        Shape::Steady => pacer(workload).run(swarm, time, |_| Ok(()))?,
        Shape::Saturated => write_back_to_back(swarm, workload, time)?,
    };
    swarm.rest_until(DRAIN_MAX, |swarm| {
        swarm.seen.deliveries + swarm.seen.skipped - before >= written.expected
    })?;
    Ok(written)
}

/// A new update as soon as all have seen an earlier one.
fn write_back_to_back(swarm: &mut Swarm, workload: &Workload, time: Duration) -> Result<Written> {
    let started = Instant::now();
    let mut written = Written::default();
    while started.elapsed() < time {
        for room in 0..workload.rooms {
            while swarm.rooms[room].outstanding() < workload.outstanding {
                written.expected += swarm.write(room, 0, workload.payload, workload.text_bytes)?;
                written.updates += 1;
            }
        }
        swarm.turn(Duration::from_millis(100))?;
    }
    Ok(written)
}

/// The writers of a workload that has a rate.
fn pacer(workload: &Workload) -> Pacer {
    Pacer {
        first_room: 0,
        rooms: workload.rooms,
        writers: workload.writers,
        rate: workload.rate,
        payload: workload.payload,
        text_bytes: workload.text_bytes,
    }
}
