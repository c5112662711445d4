//! Our codec against tokio-tungstenite as the peer: what either sends the other understands.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use greenroom_core::protocol::websocket::{Opcode, close_frame, frame, ping, pong};
use greenroom_server::codec::{CodecLimits, Decoder, Item, upgrade};
use greenroom_server::reader::{ConnReader, Received};
use greenroom_server::writer::{ConnWriter, Flushed, Written};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Message, Role};
use tokio_tungstenite::{WebSocketStream, client_async};

const LIMITS: CodecLimits = CodecLimits {
    message_bytes_max: 1 << 20,
    frame_bytes_max: 1 << 20,
    fragments_max: 64,
};

const SEED: u64 = 0x5eed;

/// SplitMix64, so that a run is given by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Bytes {
        (0..count).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self, bytes_max: usize) -> String {
        let alphabet = ['a', 'z', '\n', '\0', '\u{e4}', '\u{20ac}', '\u{10348}'];
        let mut text = String::new();
        while text.len() + 4 <= bytes_max {
            text.push(alphabet[self.below(alphabet.len())]);
        }
        text
    }
}

/// One connection of the server, without rooms: echoes messages and answers pings; each message
/// is followed by a ping. Gives what the peer sent.
async fn echo(mut reader: ConnReader, writer: ConnWriter<()>) -> Vec<Item> {
    let mut seen = Vec::new();
    let mut items = Vec::new();
    loop {
        let received = reader
            .read(&mut items)
            .await
            .expect("the peer keeps the rules");
        if received == Received::End {
            return seen;
        }
        for item in items.drain(..) {
            let mut frames = match &item {
                Item::Text(text) => vec![frame(Opcode::Text, text.as_bytes()), ping(b"alive")],
                Item::Binary(bytes) => vec![frame(Opcode::Binary, bytes), ping(b"alive")],
                Item::Ping(bytes) => vec![pong(bytes)],
                Item::Pong(_) => Vec::new(),
                Item::Close(Some((code, text))) => {
                    writer.close(close_frame(*code, text));
                    Vec::new()
                }
                Item::Close(None) => unreachable!("the peer gives a code"),
            };
            if writer.write(&mut frames) == Written::Blocked {
                assert!(matches!(writer.flush_rest().await, Flushed::Drained(_)));
            }
            seen.push(item);
        }
    }
}

/// Sends messages, most of them in fragments with pings between, and expects them back.
async fn converse(
    mut peer: WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>,
    random: &mut Random,
) -> Vec<Item> {
    let mut sent = Vec::new();
    let mut sizes = vec![0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20];
    sizes.extend((0..30).map(|_| random.below(3_000)));
    for size in sizes {
        let text = random.below(2) == 0;
        let (payload, first) = match text {
            true => (Bytes::from(random.text(size)), Data::Text),
            false => (random.bytes(size), Data::Binary),
        };
        let pings = send_in_fragments(&mut peer, &payload, first, random).await;
        sent.extend(pings.iter().cloned().map(Item::Ping));
        let (echo, item) = match text {
            true => (
                Message::text(String::from_utf8(payload.to_vec()).unwrap()),
                Item::Text(greenroom_service::Text::from_utf8(payload).unwrap()),
            ),
            false => (Message::binary(payload.clone()), Item::Binary(payload)),
        };
        sent.push(item);
        for ping in pings {
            assert_eq!(peer.next().await.unwrap().unwrap(), Message::Pong(ping));
        }
        assert!(
            peer.next().await.unwrap().unwrap() == echo,
            "the echo differs"
        );
        assert_eq!(
            peer.next().await.unwrap().unwrap(),
            Message::Ping("alive".into())
        );
        peer.flush().await.unwrap();
        sent.push(Item::Pong(Bytes::from_static(b"alive")));
    }
    let close = CloseFrame {
        code: 4001.into(),
        reason: "done \u{20ac}".into(),
    };
    peer.close(Some(close.clone())).await.unwrap();
    assert_eq!(
        peer.next().await.unwrap().unwrap(),
        Message::Close(Some(close))
    );
    assert!(peer.next().await.is_none());
    sent.push(Item::Close(Some((4001, "done \u{20ac}".into()))));
    sent
}

async fn send_in_fragments(
    peer: &mut WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>,
    payload: &Bytes,
    first: Data,
    random: &mut Random,
) -> Vec<Bytes> {
    let mut pings = Vec::new();
    let mut cuts: Vec<_> = (0..random.below(5))
        .map(|_| random.below(payload.len() + 1))
        .collect();
    cuts.sort_unstable();
    let (mut begin, mut kind) = (0, first);
    for at in cuts {
        let fragment = Frame::message(payload.slice(begin..at), OpCode::Data(kind), false);
        peer.feed(Message::Frame(fragment)).await.unwrap();
        (begin, kind) = (at, Data::Continue);
        if random.below(2) == 0 {
            let size = random.below(126);
            let bytes = random.bytes(size);
            let ping = Frame::ping(bytes.clone());
            peer.feed(Message::Frame(ping)).await.unwrap();
            pings.push(bytes);
        }
    }
    let last = Frame::message(payload.slice(begin..), OpCode::Data(kind), true);
    peer.send(Message::Frame(last)).await.unwrap();
    pings
}

/// Does the server's side of the handshake on a fresh stream.
async fn accept(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let line = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        Some((name, HeaderValue::from_str(value).unwrap()))
    };
    let headers: HeaderMap = head.lines().filter_map(line).collect();
    let upgrade = upgrade(&Method::GET, Version::HTTP_11, &headers, |_| false).unwrap();
    let mut answer = "HTTP/1.1 101 Switching Protocols\r\n".to_owned();
    for (name, value) in upgrade.response(()).headers() {
        answer.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    answer.push_str("\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn over_tcp() -> (ConnReader, ConnWriter<()>, WebSocketStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = async {
        let stream = TcpStream::connect(address).await.unwrap();
        client_async(format!("ws://{address}/"), stream)
            .await
            .unwrap()
            .0
    };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        accept(&mut stream).await;
        stream.into_split()
    };
    let (peer, (read, write)) = tokio::join!(peer, server);
    (
        ConnReader::tcp(read, Decoder::new(LIMITS)),
        ConnWriter::tcp(write),
        peer,
    )
}

#[tokio::test]
async fn a_conversation_over_tcp() {
    println!("seed {SEED:#x}");
    let (reader, writer, peer) = over_tcp().await;
    let mut random = Random(SEED);
    let (seen, sent) = tokio::join!(echo(reader, writer), converse(peer, &mut random));
    assert!(seen == sent, "what was seen differs from what was sent");
}

#[tokio::test]
async fn a_conversation_over_another_stream() {
    println!("seed {SEED:#x}");
    let (ours, theirs) = tokio::io::duplex(3_000);
    let (read, write) = tokio::io::split(ours);
    let reader = ConnReader::other(read, Decoder::new(LIMITS));
    let writer = ConnWriter::other(write);
    let peer = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    let mut random = Random(SEED + 1);
    let (seen, sent) = tokio::join!(echo(reader, writer), converse(peer, &mut random));
    assert!(seen == sent, "what was seen differs from what was sent");
}

#[tokio::test]
async fn a_close_from_the_server_is_understood_and_answered() {
    let (mut reader, writer, mut peer) = over_tcp().await;
    writer.close(close_frame(4400, "malformed"));
    let close = CloseFrame {
        code: 4400.into(),
        reason: "malformed".into(),
    };
    assert_eq!(
        peer.next().await.unwrap().unwrap(),
        Message::Close(Some(close))
    );
    assert!(peer.next().await.is_none());
    drop(peer);
    let mut items = Vec::new();
    while reader.read(&mut items).await.unwrap() != Received::End {}
    assert_eq!(items, [Item::Close(Some((4400, "malformed".into())))]);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_told_so() {
    let (mut reader, writer, mut peer) = over_tcp().await;
    let server = async {
        let mut items = Vec::new();
        let error = reader.read(&mut items).await.unwrap_err();
        writer.close(close_frame(1009, &error.to_string()));
        // What is on its way is read to its end: else the peer's system would drop the close.
        while !matches!(reader.read(&mut items).await, Ok(Received::End)) {}
        assert_eq!(items, []);
        assert_eq!(reader.kept_bytes(), 0);
    };
    let client = async {
        let large = Message::binary(vec![0; LIMITS.frame_bytes_max + 1]);
        peer.send(large).await.unwrap();
        let close = CloseFrame {
            code: 1009.into(),
            reason: "a frame is too large".into(),
        };
        assert_eq!(
            peer.next().await.unwrap().unwrap(),
            Message::Close(Some(close))
        );
        assert!(peer.next().await.is_none());
        drop(peer);
    };
    tokio::join!(server, client);
}
