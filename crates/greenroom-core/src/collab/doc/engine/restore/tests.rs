use yrs::types::Attrs;
use yrs::types::text::YChange;
use yrs::{
    Any, Array as _, ArrayPrelim, GetString as _, Map as _, MapPrelim, Out, ReadTxn as _,
    Text as _, TextPrelim, Transact as _, TransactionMut, WriteTxn as _, Xml as _,
    XmlElementPrelim, XmlOut, XmlTextPrelim,
};

use super::super::Engine;
use crate::collab::doc::ask::{Ask, Outcome};
use crate::collab::doc::update::StateVector;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % u64::from(limit)) as u32
    }

    fn word(&mut self) -> String {
        let words = ["", "a", "bc", "déf", "😀", "ghij", "klm nop"];
        words[1 + self.below(6) as usize].repeat(1 + self.below(2) as usize)
    }

    fn attributes(&mut self) -> Attrs {
        let key = ["bold", "link"][self.below(2) as usize];
        let value = [Any::Bool(true), Any::from("x"), Any::Null][self.below(3) as usize].clone();
        Attrs::from([(key.into(), value)])
    }
}

/// One random change of everything that a document can hold.
fn change(engine: &Engine, random: &mut Random) {
    let mut transaction = engine.doc.transact_mut();
    match random.below(4) {
        0 => {
            let text = transaction.get_or_insert_text("text");
            edit_text(&text, &mut transaction, random);
        }
        1 => {
            let map = transaction.get_or_insert_map("map");
            edit_map(&map, 0, &mut transaction, random);
        }
        2 => {
            let array = transaction.get_or_insert_array("array");
            edit_array(&array, 0, &mut transaction, random);
        }
        _ => {
            let xml = transaction.get_or_insert_xml_fragment("xml");
            edit_xml(&xml, 0, &mut transaction, random);
        }
    }
}

/// The text's length, and a place that cuts no character.
fn place<T: yrs::Text>(text: &T, now: &mut TransactionMut<'_>, random: &mut Random) -> (u32, u32) {
    let mut units: Vec<u16> = Vec::new();
    for chunk in text.diff(now, YChange::identity) {
        match chunk.insert {
            Out::Any(Any::String(text)) => units.extend(text.encode_utf16()),
            _ => units.push(1),
        }
    }
    let len = units.len() as u32;
    let mut at = random.below(len + 1);
    if units
        .get(at as usize)
        .is_some_and(|u| (0xdc00..0xe000).contains(u))
    {
        at -= 1;
    }
    (len, at)
}

fn edit_text<T: yrs::Text>(text: &T, now: &mut TransactionMut<'_>, random: &mut Random) {
    let (_, a) = place(text, now, random);
    let (_, b) = place(text, now, random);
    let (from, to) = (a.min(b), a.max(b));
    match random.below(6) {
        0 | 1 => text.insert(now, from, &random.word()),
        2 => text.insert_with_attributes(now, from, &random.word(), random.attributes()),
        3 if to > from => text.remove_range(now, from, to - from),
        4 if to > from => text.format(now, from, to - from, random.attributes()),
        5 => {
            // Yjs embeds objects only.
            let image = Any::from_json(r#"{"src":"x"}"#).expect("JSON");
            text.insert_embed(now, from, image);
        }
        _ => {}
    }
}

fn edit_map(map: &yrs::MapRef, depth: u32, now: &mut TransactionMut<'_>, random: &mut Random) {
    let key = ["a", "b", "c"][random.below(3) as usize];
    match (map.get(now, key), random.below(6)) {
        (Some(Out::YMap(inner)), 0..=3) => edit_map(&inner, depth + 1, now, random),
        (Some(Out::YArray(inner)), 0..=3) => edit_array(&inner, depth + 1, now, random),
        (Some(Out::YText(inner)), 0..=3) => edit_text(&inner, now, random),
        (_, 0) if depth < 3 => drop(map.insert(now, key, MapPrelim::default())),
        (_, 1) if depth < 3 => drop(map.insert(now, key, ArrayPrelim::default())),
        (_, 2) => drop(map.insert(now, key, TextPrelim::new("text"))),
        (_, 3) => drop(map.remove(now, key)),
        _ => drop(map.insert(now, key, f64::from(random.below(5)))),
    }
}

fn edit_array(
    array: &yrs::ArrayRef,
    depth: u32,
    now: &mut TransactionMut<'_>,
    random: &mut Random,
) {
    let len = array.len(now);
    let at = random.below(len + 1);
    match (array.get(now, at), random.below(6)) {
        (Some(Out::YMap(inner)), 0..=2) => edit_map(&inner, depth + 1, now, random),
        (Some(Out::YArray(inner)), 0..=2) => edit_array(&inner, depth + 1, now, random),
        (_, 0) if depth < 3 => drop(array.insert(now, at, MapPrelim::default())),
        (_, 1) if depth < 3 => drop(array.insert(now, at, ArrayPrelim::default())),
        (_, 2 | 3) if at < len => array.remove_range(now, at, 1 + random.below(len - at)),
        _ => drop(array.insert(now, at, random.word())),
    }
}

fn edit_xml<F: yrs::XmlFragment>(
    xml: &F,
    depth: u32,
    now: &mut TransactionMut<'_>,
    random: &mut Random,
) {
    let len = xml.len(now);
    let at = random.below(len + 1);
    match (xml.get(now, at), random.below(6)) {
        (Some(XmlOut::Element(inner)), 0) => {
            let value = f64::from(random.below(3));
            inner.insert_attribute(now, "level", Any::from(value));
        }
        (Some(XmlOut::Element(inner)), 1 | 2) => edit_xml(&inner, depth + 1, now, random),
        (Some(XmlOut::Text(inner)), 0..=2) => edit_text(&inner, now, random),
        (_, 3) if at < len => xml.remove_range(now, at, 1),
        (_, 4) if depth < 3 => {
            let tag = ["p", "h1"][random.below(2) as usize];
            xml.insert(now, at, XmlElementPrelim::empty(tag));
        }
        _ => {
            xml.insert(now, at, XmlTextPrelim::new(random.word()));
        }
    }
}

/// All that can be seen of a document.
fn seen(engine: &Engine) -> String {
    let transaction = engine.doc.transact();
    let text = transaction.get_text("text");
    let text = text.map(|text| super::content::of_text(&text, &transaction));
    let xml = transaction.get_xml_fragment("xml").map(Out::YXmlFragment);
    let xml = xml.map(|xml| super::content::of(&xml, &transaction));
    let json = engine.json(None);
    let (text, xml) = (
        text.unwrap_or("()".into()),
        xml.unwrap_or("fragment[]".into()),
    );
    let none = |value: &serde_json::Value| value.as_object().is_none_or(|o| o.is_empty());
    let map = if none(&json["map"]) {
        ""
    } else {
        &json["map"].to_string()
    };
    let array = match json["array"].as_array() {
        Some(array) => &serde_json::json!(array).to_string(),
        None => "[]",
    };
    format!("{text} {map} {array} {xml}")
}

fn of(states: &[&bytes::Bytes], client: u64) -> Engine {
    let mut engine = Engine::new(client);
    engine.apply(states.iter().copied()).expect("sound");
    engine
}

fn restored(engine: &mut Engine, then: &bytes::Bytes) -> Option<bytes::Bytes> {
    match engine
        .answer(&Ask::Restore(then.clone()))
        .expect("a version")
    {
        Outcome::Restore(change) => change.map(|(_, update)| update.bytes),
        _ => panic!("another answer"),
    }
}

/// Two write, a version is kept, two write on, it is restored while one of them writes more.
fn check(seed: u64) {
    let mut random = Random(seed);
    let one = Engine::new(11);
    for _ in 0..random.below(30) {
        change(&one, &mut random);
    }
    let two = of(&[&one.encode()], 12);
    for _ in 0..random.below(30) {
        change(&one, &mut random);
        change(&two, &mut random);
    }
    let then = of(&[&one.encode(), &two.encode()], 13).encode();
    let wanted = seen(&of(&[&then], 14));
    let (one, two) = (of(&[&then], 15), of(&[&then], 16));
    for _ in 0..random.below(40) {
        change(&one, &mut random);
        change(&two, &mut random);
    }
    let now = of(&[&one.encode(), &two.encode()], 17).encode();
    let mut server = of(&[&now], 18);
    let before = seen(&server);
    let update = restored(&mut server, &then);
    assert_eq!(seen(&server), wanted, "seed {seed}");
    assert_eq!(
        update.is_none(),
        before == wanted || update.is_none(),
        "seed {seed}"
    );
    assert_eq!(
        restored(&mut server, &then),
        None,
        "seed {seed}: once is enough"
    );
    // Who was there and who writes meanwhile come to the same.
    let peer = of(&[&now], 19);
    change(&peer, &mut random);
    let mut peer = of(&[&peer.encode()], 20);
    peer.apply(update.iter()).expect("an update like any other");
    let late = peer.diff(&StateVector::default());
    server.apply([&late]).expect("sound");
    assert_eq!(seen(&peer), seen(&server), "seed {seed}");
    // And back: what was undone is a state like any other.
    let mut server = of(&[&server.encode()], 21);
    restored(&mut server, &now);
    assert_eq!(seen(&server), before, "seed {seed}: there and back");
}

#[test]
fn whatever_was_written_comes_back() {
    for seed in 0..400 {
        check(seed);
    }
}

#[test]
fn what_both_have_stays_what_it_is() {
    let engine = Engine::new(1);
    let mut transaction = engine.doc.transact_mut();
    let array = transaction.get_or_insert_array("array");
    let maps: Vec<_> = (0..3)
        .map(|_| array.insert(&mut transaction, 0, MapPrelim::default()))
        .collect();
    let text = transaction.get_or_insert_text("text");
    text.insert(&mut transaction, 0, "one two three");
    drop(transaction);
    let then = engine.encode();
    let mut transaction = engine.doc.transact_mut();
    array.remove_range(&mut transaction, 1, 1);
    array.insert(&mut transaction, 0, "new");
    text.remove_range(&mut transaction, 4, 4);
    text.insert(&mut transaction, 0, "zero ");
    drop(transaction);
    let mut now = of(&[&engine.encode()], 2);
    restored(&mut now, &then).expect("something changed");
    let kept = |engine: &Engine| {
        let transaction = engine.doc.transact();
        let array = transaction.get_array("array").expect("there");
        let ids = array.iter(&transaction).map(|out| super::id_of(&out));
        ids.collect::<Vec<_>>()
    };
    let (was, is) = (kept(&of(&[&then], 3)), kept(&now));
    assert_eq!(
        (&was[0], &was[2]),
        (&is[0], &is[2]),
        "those that were there"
    );
    assert_ne!(was[1], is[1], "written anew");
    assert_eq!(maps.len(), is.len());
    let transaction = now.doc.transact();
    let text = transaction.get_text("text").expect("there");
    assert_eq!(text.get_string(&transaction), "one two three");
    // Only what was missing was written: 4 letters, and a map.
    let vector = now.doc.transact().state_vector();
    assert_eq!(vector.get(&yrs::ClientID::new(2)), 5);
}
