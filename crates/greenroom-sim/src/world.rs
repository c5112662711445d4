//! The world of a run: everything that is simulated, and the loop that drives it.

use std::collections::BTreeMap;
use std::fmt::Arguments;

use crate::bug::Bug;
use crate::check::Ledger;
use crate::client::{Client, Side};
use crate::disk::{Asked, Disk};
use crate::plan::{Fault, Kind, MS, Plan, SECOND};
use crate::queue::{Event, Queue};
use crate::rng::Rng;
use crate::server::{Node, Order};
use crate::trace::Trace;
use crate::wire::Conn;
use greenroom_core::store::StoreReply;

/// How long everything may take to come together once faults and writes have ended: a client takes
/// the presence of those who were there before it only when they renew it, after 15 s.
const CALM: u64 = 20 * SECOND;
/// When, in the calm, a fresh reader joins each document.
const PROBE: u64 = 10 * SECOND;
/// When every editor asks once more.
const ASK: u64 = 15 * SECOND;

/// Everything that is simulated.
#[derive(Debug)]
pub(crate) struct World {
    /// Virtual time, in microseconds.
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) queue: Queue,
    pub(crate) trace: Trace,
    pub(crate) plan: Plan,
    pub(crate) bug: Option<Bug>,
    pub(crate) conns: BTreeMap<u64, Conn>,
    pub(crate) next_conn: u64,
    pub(crate) nodes: BTreeMap<u32, Node>,
    /// The node that clients connect to.
    pub(crate) current: Option<u32>,
    pub(crate) next_node: u32,
    pub(crate) disk: Disk,
    pub(crate) clients: Vec<Client>,
    next_client_id: u64,
    pub(crate) ledger: Ledger,
    /// Faults and writes have ended.
    pub(crate) calm: bool,
    /// When the store last failed something.
    pub(crate) store_failed: u64,
    pub(crate) last_failover: u64,
    violation: Option<String>,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        let mut world = Self {
            now: 0,
            disk: Disk::new(rng.next(), bug),
            rng,
            queue: Queue::default(),
            trace: Trace::new(),
            plan,
            bug,
            conns: BTreeMap::new(),
            next_conn: 0,
            nodes: BTreeMap::new(),
            current: None,
            next_node: 1,
            clients: Vec::new(),
            next_client_id: 0,
            ledger: Ledger::default(),
            calm: false,
            // Long before anything that is asked about.
            store_failed: 0,
            last_failover: 0,
            violation: None,
        };
        world.now = 100 * SECOND;
        world.begin();
        world
    }

    fn begin(&mut self) {
        let plan = self.plan.clone();
        self.line(format_args!("{:?} {:?}", plan.faults, plan.limits));
        self.line(format_args!(
            "{:?} {:?} {:?}",
            plan.rooms, plan.latency, plan.disk
        ));
        self.start_node();
        for client in plan.clients {
            self.line(format_args!("client {}: {client:?}", self.clients.len()));
            self.add_client(client);
        }
        for fault in plan.faults {
            let wait = self.rng.wait(fault.mean_wait());
            self.queue.plan(self.now + wait, Event::Fault(fault));
        }
        let calm = self.now + plan.active;
        self.queue.plan(calm, Event::Calm);
        self.queue.plan(calm + PROBE, Event::Probe);
        self.queue.plan(calm + ASK, Event::Ask);
        self.queue.plan(calm + CALM, Event::End);
    }

    pub(crate) fn add_client(&mut self, plan: crate::plan::ClientPlan) {
        let number = self.clients.len();
        let kind = self.plan.rooms[plan.room].kind;
        let id = self.client_id();
        self.clients
            .push(Client::new(plan, kind, number, id, self.now));
        let at = self.now + self.rng.below(500 * MS);
        self.queue.plan(
            at,
            Event::Connect {
                client: number,
                attempt: 0,
            },
        );
        self.queue.plan(
            at + self.rng.below(3 * SECOND),
            Event::Tick { client: number },
        );
        self.queue
            .plan(at + self.rng.below(SECOND), Event::Write { client: number });
    }

    /// A Yjs client id that nobody had before.
    pub(crate) fn client_id(&mut self) -> u64 {
        self.next_client_id += 1 + self.rng.below(1_000_000);
        self.next_client_id
    }

    /// Runs until the end or the first violation.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while let Some((at, event)) = self.queue.next() {
            self.now = at;
            let ends = matches!(event, Event::End);
            self.happen(event);
            if let Some(violation) = self.violation.take() {
                return Err(violation);
            }
            if ends {
                return Ok(());
            }
        }
        Err("nothing is going to happen any more".to_owned())
    }

    /// A promise is broken; the first one is told.
    pub(crate) fn violate(&mut self, what: String) {
        self.line(format_args!("BROKEN: {what}"));
        self.violation.get_or_insert(what);
    }

    /// Adds a line to the trace.
    pub(crate) fn line(&mut self, what: Arguments<'_>) {
        self.trace.line(self.now, what);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connect { client, attempt } => self.connect(client, attempt),
            Event::Arrive { conn } => self.arrive(conn),
            Event::Up { conn } => self.up(conn),
            Event::Down { conn } => self.down(conn),
            Event::ServerLearns { conn } => self.server_end_over(conn),
            Event::ClientLearns { client, conn } => self.client_learns(client, conn),
            Event::Beat { conn } => self.beat(conn),
            Event::Tick { client } => self.tick(client),
            Event::Write { client } => self.client_writes(client),
            Event::Turn { node, instance } => self.turn(node, instance),
            Event::Computed {
                node,
                instance,
                id,
                job,
            } => {
                // A job of a room that is gone runs all the same, and nobody hears of it.
                let done = job.run();
                self.order(node, instance, Order::ComputeDone(id, done));
            }
            Event::DiskTake { life } => self.disk_takes(life),
            Event::DiskSync { life } => self.disk_syncs(life),
            Event::Reply {
                node,
                instance,
                task,
                reply,
            } => {
                self.order(node, instance, Order::StoreDone(task, reply));
            }
            Event::Fault(fault) => self.fault(fault),
            Event::Repair => self.repair(),
            Event::Start => self.start_node(),
            Event::Kill { node } => self.kill_node(node),
            Event::Calm => self.calm_down(),
            Event::Probe => self.probe(),
            Event::Ask => self.ask_all(),
            Event::End => self.check_end(),
        }
    }

    /// A room asks the store.
    pub(crate) fn ask_disk(&mut self, asked: Asked) {
        if self.disk.ask(asked) {
            self.wake_disk();
        }
    }

    fn disk_time(&mut self) -> u64 {
        let slow = if self.now < self.disk.slow_until {
            SECOND / 4
        } else {
            0
        };
        self.rng.within(self.plan.disk.clone()) + if slow > 0 { self.rng.below(slow) } else { 0 }
    }

    fn wake_disk(&mut self) {
        let at = self.now + self.disk_time() / 2;
        self.queue.plan(
            at,
            Event::DiskTake {
                life: self.disk.life,
            },
        );
    }

    fn disk_takes(&mut self, life: u64) {
        if life != self.disk.life {
            return;
        }
        let early = self.disk.take(self.now);
        self.reply(early);
        let at = self.now + self.disk_time();
        self.queue.plan(at, Event::DiskSync { life });
    }

    fn disk_syncs(&mut self, life: u64) {
        if life != self.disk.life {
            return;
        }
        let (batch, synced) = self.disk.sync(&mut self.rng);
        self.line(format_args!(
            "store: {} requests, synced: {synced}",
            batch.len()
        ));
        if self.disk.busy {
            self.wake_disk();
        }
        if !synced {
            let at = self.now + self.rng.within(100..=3_000) * MS;
            self.queue.plan(at, Event::Repair);
        }
        if !synced || batch.iter().any(|(_, reply)| is_trouble(reply)) {
            self.store_failed = self.now;
        }
        self.check_batch(&batch, synced);
        if self.bug != Some(Bug::AckBeforeSync) {
            self.reply(batch);
        }
    }

    fn reply(&mut self, batch: Vec<(Asked, StoreReply)>) {
        let late = if self.now < self.disk.slow_until {
            self.rng.below(SECOND / 4)
        } else {
            0
        };
        self.disk.reply_at = self
            .disk
            .reply_at
            .max(self.now + late + self.rng.below(200));
        for (asked, reply) in batch {
            let Asked {
                node,
                instance,
                task,
                ..
            } = asked;
            let event = Event::Reply {
                node,
                instance,
                task,
                reply,
            };
            self.queue.plan(self.disk.reply_at, event);
        }
    }

    /// Faults and writes end; what is broken is found out soon.
    fn calm_down(&mut self) {
        self.line(format_args!("calm"));
        self.calm = true;
        self.disk.full_until = self.disk.full_until.min(self.now);
        self.disk.fails_sync = false;
        self.disk.slow_until = self.disk.slow_until.min(self.now);
        for conn in self.conns.values_mut() {
            conn.stalled_until = conn.stalled_until.min(self.now);
        }
        let cut: Vec<_> = self
            .conns
            .iter()
            .filter(|(_, c)| c.cut)
            .map(|(n, _)| *n)
            .collect();
        for number in cut {
            self.learn_of_cut(number, 500 * MS, 500 * MS);
        }
        for client in &mut self.clients {
            client.away_until = client.away_until.min(self.now);
        }
        if self.disk.store.is_poisoned() {
            self.crash_all();
        }
    }

    /// A fresh reader joins each document.
    fn probe(&mut self) {
        for number in 0..self.clients.len() {
            let plan = self.clients[number].plan.clone();
            let known = self.clients[number + 1..]
                .iter()
                .any(|other| other.plan.room == plan.room && other.plan.document == plan.document);
            if self.plan.rooms[plan.room].kind == Kind::Collab && !known {
                let rights = greenroom_service::Rights::READ;
                let plan = crate::plan::ClientPlan {
                    rights,
                    offends: false,
                    named: false,
                    ..plan
                };
                self.add_client(plan);
            }
        }
    }

    /// Every editor asks once more: the room answers from what it knows without its documents.
    fn ask_all(&mut self) {
        for number in 0..self.clients.len() {
            if let Side::Editor(editor) = &mut self.clients[number].side {
                editor.answer = None;
                let ask = editor.step1();
                self.client_says(number, vec![ask]);
            }
        }
    }

    pub(crate) fn learn_of_cut(&mut self, number: u64, server: u64, client: u64) {
        let at = self.now + self.rng.below(server + 1);
        self.queue.plan(at, Event::ServerLearns { conn: number });
        self.client_learns_later(number, client);
    }

    fn fault(&mut self, fault: Fault) {
        if self.calm {
            return;
        }
        let wait = self.rng.wait(fault.mean_wait()) + 50 * MS;
        self.queue.plan(self.now + wait, Event::Fault(fault));
        self.line(format_args!("fault: {fault:?}"));
        match fault {
            Fault::Cut => self.cut_one(),
            Fault::Stall => self.stall_one(),
            Fault::Crash => self.crash_all(),
            Fault::Restart => {
                if let Some(node) = self.current {
                    self.stop_node(node);
                }
            }
            Fault::Failover => self.fail_over(),
            Fault::FailSync => self.disk.fails_sync = true,
            Fault::Full => self.disk.full_until = self.now + self.rng.within(100..=2_000) * MS,
            Fault::SlowStore => self.disk.slow_until = self.now + self.rng.within(200..=2_000) * MS,
            Fault::CloseTab => self.close_tab(),
            Fault::Exodus => {
                let back = self.now + self.rng.within(100..=3_000) * MS;
                for number in 0..self.clients.len() {
                    self.clients[number].away_until = back;
                    self.hang_up(number);
                }
            }
        }
    }

    fn one_conn(&mut self) -> Option<u64> {
        let numbers: Vec<_> = self.conns.keys().copied().collect();
        (!numbers.is_empty()).then(|| *self.rng.pick(&numbers))
    }

    fn cut_one(&mut self) {
        let Some(number) = self.one_conn() else {
            return;
        };
        let conn = self.conns.get_mut(&number).expect("picked from them");
        if conn.cut {
            return;
        }
        conn.cut = true;
        self.line(format_args!("conn {number} is cut"));
        let within = |world: &mut Self| *world.rng.pick(&[30 * MS, 30 * MS, 4 * SECOND]);
        let (server, client) = (within(self), within(self));
        self.learn_of_cut(number, server, client);
    }

    fn stall_one(&mut self) {
        let Some(number) = self.one_conn() else {
            return;
        };
        let until = self.now + self.rng.within(50..=6_000) * MS;
        self.line(format_args!("conn {number} is not read"));
        if let Some(conn) = self.conns.get_mut(&number) {
            conn.stalled_until = conn.stalled_until.max(until);
        }
    }

    /// After a failed sync the process is started anew, one way or the other.
    fn repair(&mut self) {
        match self.current {
            _ if !self.disk.store.is_poisoned() => {}
            Some(node) if self.rng.chance(50) => self.stop_node(node),
            _ => self.crash_all(),
        }
    }

    /// An editor's tab is closed with all that it held; a new one is opened, empty.
    fn close_tab(&mut self) {
        let number = self.rng.below(self.clients.len() as u64) as usize;
        let id = self.client_id();
        let now = self.now;
        let client = &self.clients[number];
        if client.banned || !matches!(client.side, Side::Editor(_)) {
            return;
        }
        self.line(format_args!("client {number} closes its tab"));
        self.hang_up(number);
        self.clients[number].renew(id, now);
    }
}

fn is_trouble(reply: &StoreReply) -> bool {
    use greenroom_core::store::StoreError;
    let StoreReply::Failed(error) = reply else {
        return false;
    };
    matches!(
        error,
        StoreError::Full | StoreError::ReadOnly | StoreError::Io(_)
    )
}
