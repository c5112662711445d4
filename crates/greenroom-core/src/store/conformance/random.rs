//! Random requests, done by a store and by the memory model: the replies must say the same.

use std::collections::BTreeMap;

use super::rules::version;
use super::*;
use crate::store::memory::MemoryStore;

/// How many sequences are compared.
pub(super) const SEQUENCES: u64 = 40;
const BATCHES: u64 = 40;
const ROOMS: [&str; 4] = ["a", "a/b", "b", "c"];

/// Compares one sequence.
pub(super) fn compare(subject: Box<dyn Subject>, seed: u64) {
    let mut run = Run {
        subject,
        model: MemoryStore::new(seed),
        random: Random(seed),
        leases: BTreeMap::new(),
        incarnations: BTreeMap::new(),
        heads: BTreeMap::new(),
        queued: Vec::new(),
        seed,
        now: 1_000,
    };
    for _ in 0..BATCHES {
        run.batch();
        match run.random.below(12) {
            0 => {
                run.model.crash();
                run.subject.crash();
            }
            1 => {
                run.model.reopen();
                run.subject.reopen();
            }
            _ => {}
        }
    }
}

/// SplitMix64, as in the model.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn often(&mut self) -> bool {
        self.below(6) != 0
    }
}

/// A lease as the model and as the store gave it.
#[derive(Clone, Copy, Debug)]
struct Leases {
    model: Lease,
    subject: Lease,
}

/// The id of a queued item as the model and as the store gave it.
type Ids = (u64, u64);

struct Run {
    subject: Box<dyn Subject>,
    model: MemoryStore,
    random: Random,
    /// Every lease that was given for a room, newest last.
    leases: BTreeMap<&'static str, Vec<Leases>>,
    /// The store's incarnation by the model's.
    incarnations: BTreeMap<u128, u128>,
    /// As of the last batch.
    heads: BTreeMap<&'static str, u64>,
    queued: Vec<Ids>,
    seed: u64,
    now: u64,
}

impl Run {
    fn batch(&mut self) {
        let mut heads = self.heads.clone();
        let pairs: Vec<_> = (0..=self.random.below(7))
            .map(|_| self.request(&mut heads))
            .collect();
        let (for_model, for_subject): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let expected = self.model.handle_batch(for_model.clone());
        let found = self.subject.handle_batch(for_subject);
        assert_eq!(expected.len(), found.len(), "seed {}", self.seed);
        for ((request, expected), found) in for_model.iter().zip(expected).zip(found) {
            self.check(request, expected, found);
        }
        let StoreReply::Rooms(rooms) = self.model.handle(StoreRequest::List(everything())) else {
            unreachable!("the model lists rooms");
        };
        self.heads.clear();
        for meta in rooms {
            let name = ROOMS.iter().find(|name| **name == meta.room.as_str());
            self.heads
                .insert(name.expect("it is one of ours"), meta.head);
        }
    }

    /// The same request for the model and for the store.
    fn request(&mut self, heads: &mut BTreeMap<&'static str, u64>) -> (StoreRequest, StoreRequest) {
        let name = ROOMS[self.random.below(ROOMS.len() as u64) as usize];
        match self.random.below(18) {
            0..=6 => {
                let head = heads.entry(name).or_insert(0);
                let first_seq = *head + 1 + u64::from(!self.random.often());
                let count = 1 + self.random.below(3);
                *head = first_seq + count - 1;
                let append = self.append(name, first_seq, count);
                self.leased(name, |lease| {
                    StoreRequest::Append(Append {
                        lease,
                        ..append.clone()
                    })
                })
            }
            7 | 8 => {
                let node = if self.random.often() {
                    NODE
                } else {
                    OTHER_NODE
                };
                let room = room(name);
                same(StoreRequest::Acquire { room, node })
            }
            9 => {
                let below_seq = self.random.below(heads.get(name).unwrap_or(&0) + 4);
                self.leased(name, |lease| trim(name, lease, below_seq))
            }
            10 | 11 => {
                let seq = self.random.below(heads.get(name).unwrap_or(&0) + 2);
                let part = match self.random.below(3) {
                    0 => Part::Service,
                    n => Part::Document(format!("{n}")),
                };
                self.leased(name, |lease| put_snapshot(name, lease, part.clone(), seq))
            }
            12 => self.leased(name, |lease| StoreRequest::Release {
                room: room(name),
                lease,
            }),
            13 => self.leased(name, |lease| StoreRequest::Renew {
                node: NODE,
                rooms: vec![(room(name), lease)],
            }),
            16 => self.put_version(name),
            14 if !self.random.often() => same(StoreRequest::Delete { room: room(name) }),
            14 => {
                let (model, subject) = self.queued.drain(..).unzip();
                (
                    StoreRequest::QueueDone { ids: model },
                    StoreRequest::QueueDone { ids: subject },
                )
            }
            _ => self.read(name),
        }
    }

    fn put_version(&mut self, name: &str) -> (StoreRequest, StoreRequest) {
        self.now += 1;
        let kinds = [VersionKind::Named, VersionKind::Automatic];
        let kind = kinds[self.random.below(2) as usize];
        let mut version = version(self.now, kind);
        version.meta.expires = self.random.often().then(|| Millis(self.random.below(100)));
        let kept = VersionsKept {
            named_max: self.random.below(4),
            automatic_max: self.random.below(4),
        };
        self.leased(name, |lease| StoreRequest::PutVersion {
            room: room(name),
            lease,
            document: String::new(),
            version: version.clone(),
            kept,
        })
    }

    fn append(&mut self, name: &str, first_seq: u64, count: u64) -> Append {
        self.now += self.random.below(50);
        let mut data = vec![first_seq as u8; self.random.below(300) as usize];
        data.push(count as u8);
        let nowhere = Lease {
            incarnation: 0,
            epoch: 0,
        };
        let kind = ["collab", "service"][self.random.below(2) as usize];
        let metadata = Bytes::from(format!("{{\"n\":{first_seq}}}"));
        Append {
            first_seq,
            count,
            data: data.into(),
            next_wake: (self.random.below(3) == 0).then(|| Millis(self.random.below(100))),
            meta: MetaChange {
                kind: (first_seq == 1).then(|| kind.to_owned()),
                now: Millis(self.now),
                metadata: (!self.random.often()).then_some(metadata),
                accesses: None,
            },
            queue: (0..self.random.below(3))
                .map(|n| Bytes::from(format!("{name} {first_seq} {n}")))
                .collect(),
            ..plain(name, nowhere, first_seq)
        }
    }

    fn read(&mut self, name: &str) -> (StoreRequest, StoreRequest) {
        let limit = self.random.below(5) as usize;
        same(match self.random.below(8) {
            0 => StoreRequest::Snapshots { room: room(name) },
            1 => StoreRequest::Due {
                before: Millis(self.random.below(120)),
                limit,
            },
            2 => StoreRequest::List(ListFilter {
                prefix: ["", "a", "a/"][self.random.below(3) as usize].into(),
                kind: (!self.random.often()).then(|| "collab".into()),
                after: (!self.random.often()).then(|| room("a")),
                limit,
            }),
            3 => StoreRequest::Queue { after: 0, limit },
            4 => StoreRequest::ExpireVersions {
                before: Millis(self.random.below(100)),
                limit,
            },
            5 | 6 => StoreRequest::Versions {
                room: room(name),
                document: String::new(),
                before: self.random.often().then_some(VersionId(self.now)),
                limit,
            },
            _ => StoreRequest::Read {
                room: room(name),
                from_seq: self.random.below(20),
                bytes_max: self.random.below(2_000) as usize,
            },
        })
    }

    /// A request under the room's newest lease, or sometimes an older one.
    fn leased(
        &mut self,
        name: &str,
        request: impl Fn(Lease) -> StoreRequest,
    ) -> (StoreRequest, StoreRequest) {
        let given = self.leases.get(name).map_or(&[][..], Vec::as_slice);
        let newest = given.len().saturating_sub(1) as u64;
        let chosen = if self.random.often() {
            newest
        } else {
            self.random.below(newest + 1)
        };
        match given.get(chosen as usize) {
            Some(leases) => (request(leases.model), request(leases.subject)),
            None => same(StoreRequest::Acquire {
                room: room(name),
                node: NODE,
            }),
        }
    }

    fn check(&mut self, request: &StoreRequest, expected: StoreReply, found: StoreReply) {
        let seed = self.seed;
        match (expected, found) {
            (StoreReply::Acquired(expected), StoreReply::Acquired(found)) => {
                self.check_acquired(request, expected, found);
            }
            (StoreReply::Queue(expected), StoreReply::Queue(found)) => {
                let items = |all: &[(u64, Bytes)]| -> Vec<Bytes> {
                    all.iter().map(|(_, item)| item.clone()).collect()
                };
                assert_eq!(items(&expected), items(&found), "seed {seed}");
                self.queued = expected
                    .iter()
                    .zip(&found)
                    .map(|(expected, found)| (expected.0, found.0))
                    .collect();
            }
            (expected, found) => assert_eq!(expected, found, "seed {seed}: {request:?}"),
        }
    }

    fn check_acquired(&mut self, request: &StoreRequest, expected: Acquired, found: Acquired) {
        let seed = self.seed;
        assert_eq!(expected.head, found.head, "seed {seed}: {request:?}");
        assert_eq!(expected.meta, found.meta, "seed {seed}: {request:?}");
        let known = self
            .incarnations
            .entry(expected.lease.incarnation)
            .or_insert(found.lease.incarnation);
        assert_eq!(*known, found.lease.incarnation, "seed {seed}: {request:?}");
        let StoreRequest::Acquire { room, .. } = request else {
            unreachable!("only acquire is answered so");
        };
        let name = ROOMS.iter().find(|name| **name == room.as_str());
        let given = self
            .leases
            .entry(name.expect("it is one of ours"))
            .or_default();
        if let Some(last) = given.last() {
            let rises = expected.lease.epoch > last.model.epoch;
            let found_rises = found.lease.epoch > last.subject.epoch;
            assert!(!rises || found_rises, "seed {seed}: {request:?}");
        }
        given.push(Leases {
            model: expected.lease,
            subject: found.lease,
        });
    }
}

fn same(request: StoreRequest) -> (StoreRequest, StoreRequest) {
    (request.clone(), request)
}
