//! Many connections that do nothing: what each costs.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::kinds::Kind;
use crate::machine;
use crate::measurement::Sheet;
use crate::server::{Places, Server};
use crate::swarm::Swarm;

const ROOMS: usize = 1_000;
const MEMBERS: usize = 10;
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(300);
/// How long nothing happens before the memory is read.
const REST: Duration = Duration::from_secs(5);

/// Connects everybody and watches them do nothing.
///
/// All come from one address: a port of the client is taken per server address, and 28,000 are
/// free by default.
///
/// # Errors
/// When the server cannot be started, or ends or refuses connections meanwhile.
pub(crate) fn run(kind: &'static Kind, places: &Places) -> Result<Sheet> {
    let mut sheet = Sheet::new("idle", kind.name);
    let server = Server::start(kind, places)?;
    // Rooms that have to be made first count too.
    let (before_kib, _) = machine::resident_kib(server.process())?;
    let mut swarm = Swarm::new(server.address, kind.dialect)?;
    for room in 0..ROOMS {
        let name = format!("room{room}");
        server.prepare_room(&name)?;
        swarm.add_room(name, 0);
    }
    let (started, cpu) = (Instant::now(), server.cpu_time()?);
    swarm.fill(0..ROOMS, MEMBERS, CONNECT_MAX)?;
    let connections = (ROOMS * MEMBERS) as f64;
    sheet.put(
        "connects per s",
        connections / started.elapsed().as_secs_f64(),
    );
    swarm.rest(REST)?;
    let connected = server.cpu_time()?;
    sheet.put(
        "CPU us per connect",
        (connected - cpu).as_secs_f64() * 1e6 / connections,
    );
    let (after_kib, most_kib) = machine::resident_kib(server.process())?;
    sheet.put("RSS MB before", before_kib as f64 / 1_024.0);
    sheet.put(
        "RSS KiB per connection",
        (after_kib - before_kib) as f64 / connections,
    );
    sheet.put("RSS max MB", most_kib as f64 / 1_024.0);
    swarm.rest(REST)?;
    let idle = (server.cpu_time()? - connected).as_secs_f64() / REST.as_secs_f64();
    sheet.put("idle CPU %", idle * 100.0);
    Ok(sheet)
}
