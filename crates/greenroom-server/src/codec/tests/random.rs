//! The decoder under random input: what is well-formed decodes to itself, what is not neither
//! panics nor costs memory.

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    BINARY, CLOSE, FIN, Item, LIMITS, PING, PONG, TEXT, decode, peer_frame, text as text_item,
};
use crate::codec::{CodecError, Decoder};

/// A message, how it is cut to fragments, and a control frame that may come before each.
#[derive(Clone, Debug)]
struct Sent {
    message: Item,
    cuts: Vec<(prop::sample::Index, Option<Item>)>,
}

fn control() -> impl Strategy<Value = Item> {
    let payload = prop::collection::vec(any::<u8>(), 0..=125).prop_map(Bytes::from);
    (payload, any::<bool>()).prop_map(|(payload, ping)| match ping {
        true => Item::Ping(payload),
        false => Item::Pong(payload),
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    let length = prop_oneof![
        0..9_usize,
        120..130_usize,
        0..2_000_usize,
        65_530..65_540_usize
    ];
    let binary = length
        .prop_flat_map(|length| prop::collection::vec(any::<u8>(), length))
        .prop_map(|bytes| Item::Binary(Bytes::from(bytes)));
    let text = prop::collection::vec(any::<char>(), 0..300)
        .prop_map(|characters| text_item(&characters.into_iter().collect::<String>()));
    let message = prop_oneof![binary, text, text_item_short(), control()];
    let cut = (any::<prop::sample::Index>(), prop::option::of(control()));
    let cuts = prop::collection::vec(cut, 0..LIMITS.fragments_max - 1);
    (message, cuts).prop_map(|(message, cuts)| Sent { message, cuts })
}

fn text_item_short() -> impl Strategy<Value = Item> {
    "[a-z\u{e4}\u{20ac}\u{10348}]{0,12}".prop_map(|string| text_item(&string))
}

fn payload(item: &Item) -> &Bytes {
    match item {
        Item::Text(text) => text.as_bytes(),
        Item::Binary(bytes) | Item::Ping(bytes) | Item::Pong(bytes) => bytes,
        Item::Close(_) => unreachable!("never made here"),
    }
}

fn opcode(item: &Item) -> u8 {
    match item {
        Item::Text(_) => TEXT,
        Item::Binary(_) => BINARY,
        Item::Ping(_) => PING,
        Item::Pong(_) => PONG,
        Item::Close(_) => CLOSE,
    }
}

/// Adds the frames of one message to `stream` and what must come of them to `items`.
fn send(sent: &Sent, stream: &mut Vec<u8>, items: &mut Vec<Item>) {
    let payload = payload(&sent.message);
    let mut first = opcode(&sent.message);
    let mut cuts: Vec<_> = match sent.message {
        Item::Text(_) | Item::Binary(_) => {
            let place = |(at, between): &(prop::sample::Index, Option<Item>)| {
                (at.index(payload.len() + 1), between.clone())
            };
            sent.cuts.iter().map(place).collect()
        }
        Item::Ping(_) | Item::Pong(_) | Item::Close(_) => Vec::new(),
    };
    cuts.sort_by_key(|(at, _)| *at);
    let mut begin = 0;
    for (at, between) in cuts {
        stream.extend(peer_frame(first, &payload[begin..at]));
        if let Some(control) = between {
            stream.extend(peer_frame(FIN | opcode(&control), self::payload(&control)));
            items.push(control);
        }
        (begin, first) = (at, 0);
    }
    stream.extend(peer_frame(FIN | first, &payload[begin..]));
    items.push(sent.message.clone());
}

/// Cuts `stream` into portions whose sizes repeat.
fn portions<'a>(mut stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut portions = Vec::new();
    for size in sizes.iter().cycle() {
        let (portion, rest) = stream.split_at(stream.len().min(*size));
        portions.push(portion);
        stream = rest;
        if stream.is_empty() {
            return portions;
        }
    }
    unreachable!("sizes are not empty")
}

proptest! {
    #[test]
    fn any_sequence_decodes_to_itself(
        messages in prop::collection::vec(sent(), 0..8),
        sizes in prop::collection::vec(prop_oneof![1..20_usize, 1..5_000_usize], 1..20),
    ) {
        let (mut stream, mut items) = (Vec::new(), Vec::new());
        for message in &messages {
            send(message, &mut stream, &mut items);
        }
        prop_assert_eq!(decode(portions(&stream, &sizes)), (items, None));
    }

    #[test]
    fn the_portions_make_no_difference(
        stream in prop::collection::vec(any::<u8>(), 0..400),
        sizes in prop::collection::vec(1..20_usize, 1..10),
    ) {
        prop_assert_eq!(decode(portions(&stream, &sizes)), decode([&*stream]));
    }
}

/// SplitMix64, so that a run is given by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

fn well_formed(large: usize) -> Vec<u8> {
    [
        peer_frame(FIN | TEXT, "gr\u{fc}n".as_bytes()),
        peer_frame(TEXT, b"frag"),
        peer_frame(FIN | PING, b"ping"),
        peer_frame(0, "m\u{20ac}nt".as_bytes()),
        peer_frame(FIN, b"ed"),
        peer_frame(FIN | BINARY, &[0xaa; 300]),
        peer_frame(BINARY, &vec![0xbb; large]),
        peer_frame(FIN, &[0xcc; 20]),
        peer_frame(FIN | CLOSE, b"\x03\xe8bye"),
    ]
    .concat()
}

/// Flips, replaces, removes, doubles or cuts; mostly near headers, which are near the start.
fn mutate(stream: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let near = if random.below(2) == 0 {
            400
        } else {
            usize::MAX
        };
        let at = random.below(stream.len().min(near));
        match random.below(5) {
            0 => stream[at] ^= 1 << random.below(8),
            1 => stream[at] = random.below(256) as u8,
            2 => drop(stream.remove(at)),
            3 => stream.extend_from_within(at..),
            _ => stream.truncate(at.max(1)),
        }
    }
}

#[test]
fn mutated_streams_neither_panic_nor_cost_memory() {
    let good = [well_formed(3_000), well_formed(70_000)];
    let mut errors = std::collections::BTreeSet::new();
    for seed in 0..10_000 {
        let mut random = Random(seed);
        let mut stream = good[usize::from(seed % 16 == 0)].clone();
        mutate(&mut stream, &mut random);
        let mut decoder = Decoder::new(LIMITS);
        let mut out = Vec::new();
        let mut came = 0;
        let mut rest = stream.as_mut_slice();
        while !rest.is_empty() {
            let size = rest.len().min(1 + random.below(8_000));
            let (portion, behind) = rest.split_at_mut(size);
            rest = behind;
            came += size;
            let result = decoder.feed(portion, &mut out);
            let kept = decoder.kept_bytes();
            let allowed = (2 * came).min(LIMITS.message_bytes_max + 125 * 2);
            assert!(kept <= allowed, "seed {seed}: {kept} kept of {came}");
            errors.extend(result.err().map(CodecError::close_code));
        }
    }
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), [1002, 1007, 1009]);
}
