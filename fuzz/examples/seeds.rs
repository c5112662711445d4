//! Writes the first inputs of each target to `fuzz/corpus`: sound ones, for the fuzzer to change.
//!
//! ```sh
//! cargo run -p fuzz --example seeds
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;

use bytes::{BufMut, BytesMut};
use greenroom_core::protocol::lib0::{put_var_bytes, put_var_uint};
use greenroom_core::store::envelope::RecordKind;
use greenroom_server::auth::{Claims, Grant, Keys, Rights, SecretKey};
use yrs::updates::encoder::Encode;
use yrs::{Any, Array, Doc, Map, Options, ReadTxn, Text, Transact, WriteTxn, XmlFragment};

type Seeds = Vec<(&'static str, Vec<Vec<u8>>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let updates = updates();
    let mut seeds: Seeds = vec![
        ("frames", frames()),
        (
            "inflate",
            vec![vec![0, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]],
        ),
        (
            "deflate",
            vec![b"to and fro ".repeat(40), b"{\"x\":1}".to_vec()],
        ),
        ("handshake", vec![HANDSHAKE.to_vec(), SMALL_WINDOW.to_vec()]),
        ("lib0", anys()),
        ("yjs", messages(&updates)),
        ("hocuspocus", connections(&updates)),
        ("awareness", vec![presence()]),
        ("state_vector", vec![vec![2, 1, 5, 0x80, 0x01, 7], vec![0]]),
        ("update", updates.clone()),
        ("shadow", vec![sequence(&updates), sequence(&updates[..2])]),
        ("row", vec![row(&updates[0]), row(&updates[2])]),
        ("snapshot", vec![snapshot(&updates)]),
        ("export", vec![export(&updates)]),
        ("service_state", vec![service_state()]),
    ];
    seeds.extend(credentials()?);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, inputs) in seeds {
        fs::create_dir_all(corpus.join(target))?;
        for (at, input) in inputs.iter().enumerate() {
            fs::write(corpus.join(target).join(format!("seed-{at}")), input)?;
        }
    }
    Ok(())
}

const HANDSHAKE: &[u8] = b"upgrade: websocket\nconnection: keep-alive, Upgrade\n\
    sec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n\
    sec-websocket-protocol: greenroom.v1.json\n\
    sec-websocket-extensions: permessage-deflate; client_max_window_bits";
const SMALL_WINDOW: &[u8] =
    b"sec-websocket-extensions: permessage-deflate; server_max_window_bits=\"9\", x; y=1";

/// What becomes records of a room's file: in chunks of 17 bytes, a head that says how many, then
/// kind, length and content of each.
fn export(updates: &[Vec<u8>]) -> Vec<u8> {
    let short: Vec<_> = updates.iter().filter(|update| update.len() < 250).collect();
    let mut data = vec![16, 0];
    for update in short {
        data.extend([RecordKind::Document as u8, update.len() as u8 + 1, 0]);
        data.extend(update);
    }
    data
}

/// Unmasked in effect (a mask of zeros): a text in three parts with a ping between, a close.
fn frames() -> Vec<Vec<u8>> {
    let frame = |first: u8, payload: &[u8]| {
        let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend(payload);
        frame
    };
    let parts = [
        vec![1, 3],
        frame(0x01, b"caf\xc3"),
        frame(0x89, b"ping"),
        frame(0x00, b"\xa9 "),
        frame(0x80, b"end"),
        frame(0xc2, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        frame(0x88, b"\x03\xe8bye"),
    ];
    let long = [&[0, 90][..], &[0x82, 0xfe, 0, 200, 9, 8, 7, 6], &[5; 200]].concat();
    vec![parts.concat(), long]
}

fn anys() -> Vec<Vec<u8>> {
    let nested = [
        6, 117, 3, 125, 0x41, 118, 1, 1, b'k', 119, 2, b'h', b'i', 116, 1, 9,
    ];
    let number = [6, 123, 0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18];
    vec![
        nested.to_vec(),
        number.to_vec(),
        vec![0, 0xff, 0x7f],
        vec![4, 2, b'o', b'k'],
    ]
}

/// Updates of two editors with all kinds of contents; each begins with one document's first.
fn updates() -> Vec<Vec<u8>> {
    let doc = |client| {
        Doc::with_options(Options {
            client_id: yrs::ClientID::new(client),
            ..Options::default()
        })
    };
    let ada = doc(1);
    let mut updates = Vec::new();
    let mut edit = ada.transact_mut();
    let text = edit.get_or_insert_text("t");
    text.insert(&mut edit, 0, "hello wörld \u{1f600}");
    updates.push(edit.encode_update_v1());
    drop(edit);
    let mut edit = ada.transact_mut();
    text.remove_range(&mut edit, 2, 3);
    text.format(&mut edit, 0, 2, [("bold".into(), Any::Bool(true))].into());
    updates.push(edit.encode_update_v1());
    drop(edit);
    let bob = doc(2);
    let mut edit = bob.transact_mut();
    let map = edit.get_or_insert_map("m");
    map.insert(&mut edit, "k", Any::from(1.5));
    map.insert(&mut edit, "k", yrs::MapPrelim::from([("in", "side")]));
    let list = edit.get_or_insert_array("a");
    list.insert(&mut edit, 0, yrs::ArrayPrelim::from([1, 2, 3]));
    let page = edit.get_or_insert_xml_fragment("x");
    page.insert(&mut edit, 0, yrs::XmlElementPrelim::empty("p"));
    updates.push(edit.encode_update_v1());
    drop(edit);
    updates.push(
        bob.transact()
            .encode_state_as_update_v1(&yrs::StateVector::default()),
    );
    updates
}

fn sync(step: u8, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::from(&[0, step][..]);
    put_var_bytes(&mut out, body);
    out.to_vec()
}

fn messages(updates: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut messages: Vec<_> = updates.iter().map(|update| sync(2, update)).collect();
    messages.push(sync(0, &yrs::StateVector::default().encode_v1()));
    messages.push([sync(1, &updates[0]), vec![3]].concat());
    messages.push(vec![1, 6, 1, 1, 2, 2, b'{', b'}']);
    messages
}

/// Two connections of several sessions: let in and denied, with what waits; each step with its kind and
/// its length.
fn connections(updates: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let said = |address: &[u8], body: &[u8]| {
        let frame = [&[address.len() as u8], address, body].concat();
        [&[0, frame.len() as u8], &frame[..]].concat()
    };
    let token = b"\x02\x00\x03tok\x054.8.0";
    let step_1 = sync(0, &yrs::StateVector::default().encode_v1());
    let (let_in, deny) = (vec![0xff, 0], vec![0xe0, 0]);
    let one = [
        said(b"a", token),
        said(b"a", &step_1),
        let_in.clone(),
        said(b"a", &sync(2, &updates[0])),
        said(b"a", b"\x05\x02hi"),
        said(b"a", token),
        said(b"a", b"\x03"),
        vec![0, 1, 10],
        said(b"a", b"\x07"),
    ];
    let two = [
        said(b"b\0tab", &step_1),
        said(b"b\0tab", token),
        deny,
        said(b"b\0tab", token),
        let_in,
        said(b"b\0tab", b"\x06\x02hi"),
        said(b"c", b"\x07"),
    ];
    vec![one.concat(), two.concat()]
}

/// Two sessions come, one changes, time passes, one leaves.
fn presence() -> Vec<u8> {
    let entry = |client: u8, clock: u8, state: &[u8]| {
        let mut body = vec![1, client, clock, state.len() as u8];
        body.extend(state);
        body
    };
    let mut script = Vec::new();
    for (who, body) in [
        (0x61, entry(1, 1, b"{\"n\":1}")),
        (0x62, entry(2, 1, b"{}")),
        (0x61, entry(1, 2, b"null")),
    ] {
        script.extend([who, body.len() as u8]);
        script.extend(body);
        script.extend([0, 30]);
    }
    script.extend([0x22, 0, 0, 0xff, 0x40, 0]);
    script
}

/// The updates with their lengths, as the target takes them.
fn sequence(updates: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for update in updates {
        out.extend((update.len() as u16).to_le_bytes());
        out.extend(update);
    }
    out
}

/// A row's body: epoch, seq, records, time, then an update, entries and a timer.
fn row(update: &[u8]) -> Vec<u8> {
    let mut body = BytesMut::from(&[3, 1, 3, 100][..]);
    let mut document = BytesMut::from(&[1, b'd'][..]);
    document.put_slice(update);
    body.put_u8(1);
    put_var_bytes(&mut body, &document);
    body.put_u8(2);
    put_var_bytes(&mut body, &[1, b'k', 1, 1, b'v', 1, b'k', 0]);
    body.put_u8(4);
    put_var_bytes(&mut body, &[1, b't', 1, 100]);
    body.to_vec()
}

/// Two records behind it, then a merged update and one that is not merged yet.
fn snapshot(updates: &[Vec<u8>]) -> Vec<u8> {
    let mut out = BytesMut::from(&[2][..]);
    let record = [&[1, b'd'][..], &updates[1]].concat();
    out.put_slice(&[1, record.len() as u8]);
    out.put_slice(&record);
    out.put_slice(&[0, 4, 7, 1, b'd', 0]);
    put_var_bytes(&mut out, &updates[0]);
    put_var_uint(&mut out, 0);
    put_var_uint(&mut out, 1);
    put_var_uint(&mut out, 6);
    put_var_bytes(&mut out, &updates[2]);
    out.to_vec()
}

fn service_state() -> Vec<u8> {
    let records = [&[2, 0, 5, 1, b'a', 1, 1, b'1'][..], &[2, 4, 1, b't', 1, 9]].concat();
    let snapshot = [1, 1, b'k', 1, b'v', 2, b's', b's', 1, 1, b'z', 100];
    [&records[..], &snapshot].concat()
}

fn credentials() -> Result<Seeds, Box<dyn Error>> {
    let key = SecretKey::from_seed([7; 32]);
    let claims = Claims {
        sub: "ada".into(),
        name: Some("Ada".into()),
        info: None,
        rooms: vec![Grant {
            pattern: "docs/*".parse()?,
            rights: Rights::READ,
        }],
        iat: 1_000,
        nbf: Some(1_000),
        exp: 4_600,
        admin: false,
        jti: None,
    };
    let file = format!(
        "{{\"version\":1,\"keys\":[{{\"id\":\"{}\",\"created_unix_s\":1,\"secret\":\"{}\"}}]}}",
        key.id(),
        key.to_secret_text()
    );
    let keys = Keys::none().with(key);
    Ok(vec![
        ("token", vec![keys.mint(&claims)?.into_bytes()]),
        ("claims", vec![serde_json::to_vec(&claims)?]),
        (
            "credential",
            vec![
                b"authorization: Bearer abc\0token=d%20e&x=1".to_vec(),
                b"sec-websocket-protocol: greenroom.v1.json, greenroom.token.abc\0".to_vec(),
            ],
        ),
        ("keys_file", vec![file.into_bytes()]),
    ])
}
