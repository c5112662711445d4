//! permessage-deflate at the doors of a whole server: who agreed on it gets shared frames
//! compressed, and everybody the same messages.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::peer::{BINARY, CLOSE, Running, TEXT};

const RSV1: u8 = 0x40;

fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(payload.len() + 100);
    Compress::new(Compression::best(), false)
        .compress_vec(payload, &mut deflated, FlushCompress::Sync)
        .unwrap();
    deflated.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
}

fn inflated(payload: &[u8]) -> Bytes {
    let mut inflated = Vec::with_capacity(1 << 20);
    let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
    Decompress::new(false)
        .decompress_vec(&whole, &mut inflated, FlushDecompress::Sync)
        .unwrap();
    inflated.into()
}

const OFFER: Option<&str> = Some("permessage-deflate; client_max_window_bits");
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[tokio::test]
async fn it_is_off_unless_the_operator_switches_it_on() {
    let server = Running::start(false).await;
    let mut peer = server.join("echo/1", OFFER).await;
    assert_eq!(peer.agreed, None);
    peer.send(TEXT | RSV1, &deflated(b"hello")).await;
    let (first, payload) = peer.receive().await;
    assert_eq!((first, &payload[..2]), (CLOSE, &1002_u16.to_be_bytes()[..]));
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn it_is_agreed_on_with_who_offers_it() {
    let server = Running::start(true).await;
    for (offer, answer) in [
        (OFFER, Some(ANSWER)),
        (None, None),
        (Some("permessage-deflate; server_max_window_bits=7"), None),
    ] {
        let peer = server.join("echo/1", offer).await;
        assert_eq!(peer.agreed.as_deref(), answer, "{offer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn shared_frames_are_compressed_once_and_read_alike() {
    let server = Running::start(true).await;
    let mut one = server.join("relay/1", OFFER).await;
    let mut other = server.join("relay/1", OFFER).await;
    let mut plain = server.join("relay/1", None).await;
    let mut sender = server.join("relay/1", OFFER).await;
    let text = "{\"cursor\":{\"x\":1,\"y\":2}},".repeat(40);
    let noise: Vec<u8> = (0..1_000_u32)
        .map(|n| (n.wrapping_mul(0x9e37_79b1).rotate_left(n) >> 24) as u8)
        .collect();
    sender.send(TEXT | RSV1, &deflated(text.as_bytes())).await;
    sender.send(TEXT, &text.as_bytes()[..255]).await;
    sender.send(BINARY, &noise).await;
    let mut compressed = Vec::new();
    for peer in [&mut one, &mut other] {
        let (first, payload) = peer.receive().await;
        assert_eq!(first, TEXT | RSV1);
        assert!(payload.len() < 100, "{}", payload.len());
        assert_eq!(inflated(&payload), text.as_bytes());
        compressed.push(payload);
        peer.expect(TEXT, &text.as_bytes()[..255]).await;
        peer.expect(BINARY, &noise).await;
    }
    assert_eq!(compressed[0], compressed[1]);
    plain.expect(TEXT, text.as_bytes()).await;
    drop((one, other, plain, sender));
    server.stop().await;
}

#[tokio::test]
async fn a_peer_with_a_small_window_is_read_and_sent_plain_frames() {
    let server = Running::start(true).await;
    let mut sender = server.join("relay/1", OFFER).await;
    let small = Some("permessage-deflate; server_max_window_bits=9");
    let mut peer = server.join("relay/1", small).await;
    let answer = format!("{ANSWER}; server_max_window_bits=9");
    assert_eq!(peer.agreed.as_deref(), Some(&*answer));
    let text = "to and fro ".repeat(100);
    sender.send(TEXT | RSV1, &deflated(text.as_bytes())).await;
    peer.expect(TEXT, text.as_bytes()).await;
    peer.send(TEXT | RSV1, &deflated(text.as_bytes())).await;
    let (first, payload) = sender.receive().await;
    assert_eq!(first, TEXT | RSV1);
    assert_eq!(inflated(&payload), text.as_bytes());
    drop((sender, peer));
    server.stop().await;
}

#[tokio::test]
async fn what_is_for_one_alone_is_not_compressed() {
    let server = Running::start(true).await;
    let mut peer = server.join("echo/1", OFFER).await;
    let text = "to and fro ".repeat(100);
    peer.send(TEXT | RSV1, &deflated(text.as_bytes())).await;
    peer.expect(TEXT, text.as_bytes()).await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn a_bomb_is_refused() {
    let server = Running::start(true).await;
    let limit = greenroom_server::Limits::default().native_frame_bytes_max;
    let mut peer = server.join("echo/1", OFFER).await;
    let largest = deflated(&vec![b'a'; limit]);
    peer.send(TEXT | RSV1, &largest).await;
    peer.expect(TEXT, &vec![b'a'; limit]).await;
    peer.send(TEXT | RSV1, &deflated(&vec![b'a'; limit + 1]))
        .await;
    let (first, payload) = peer.receive().await;
    assert_eq!((first, &payload[..2]), (CLOSE, &4901_u16.to_be_bytes()[..]));
    drop(peer);
    server.stop().await;
}
