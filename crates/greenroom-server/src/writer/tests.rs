//! The writer over loopback TCP and over an in-memory stream, with peers that read, stall and go.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, BufWriter, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

use super::{ConnWriter, Flushed, Written};

type Peer = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Arc<ConnWriter<u32>>;

async fn tcp() -> (Writer, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap());
    let (ours, peer) = tokio::join!(listener.accept(), peer);
    let (_, write_half) = ours.unwrap().0.into_split();
    let writer = Arc::new(ConnWriter::tcp(write_half));
    (writer, Box::new(peer.unwrap()))
}

fn other() -> (Writer, Peer) {
    let (ours, peer) = tokio::io::duplex(1_000);
    (Arc::new(ConnWriter::other(ours)), Box::new(peer))
}

/// A stream that holds bytes back until it is flushed, as TLS does.
fn holding_back() -> (Writer, Peer) {
    let (ours, peer) = tokio::io::duplex(1_000);
    let ours: BufWriter<DuplexStream> = BufWriter::with_capacity(5_000, ours);
    (Arc::new(ConnWriter::other(ours)), Box::new(peer))
}

async fn each() -> [(&'static str, (Writer, Peer)); 3] {
    [
        ("tcp", tcp().await),
        ("other", other()),
        ("holding back", holding_back()),
    ]
}

/// Frames that differ from each other, of sizes on both sides of every threshold.
fn frames(seed: usize) -> Vec<Bytes> {
    let sizes = [
        100, 1, 0, 700, 1_024, 1_025, 90, 9_000, 3, 40_000, 40_000, 100, 100,
    ];
    let frame = |(n, size): (usize, &usize)| Bytes::from(vec![(seed * 31 + n) as u8; *size]);
    sizes
        .iter()
        .cycle()
        .take(50)
        .enumerate()
        .map(frame)
        .collect()
}

/// Writes until the peer's buffers are full; gives what the peer must get to read.
fn fill(writer: &Writer) -> Vec<u8> {
    let mut sent = Vec::new();
    for seed in 0.. {
        let mut more = frames(seed);
        sent.extend(more.concat());
        let written = writer.write(&mut more);
        assert!(more.is_empty());
        if written == Written::Blocked {
            break;
        }
        assert_eq!(written, Written::All);
    }
    sent
}

/// Polls once.
fn poll_once<T>(future: impl Future<Output = T>) -> std::task::Poll<T> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

async fn expect(peer: &mut Peer, expected: &[u8], name: &str) {
    let mut got = vec![0; expected.len()];
    peer.read_exact(&mut got).await.unwrap();
    assert!(got == expected, "{name}: the bytes differ");
}

fn drain(writer: &Writer) -> tokio::task::JoinHandle<Flushed<u32>> {
    let writer = Arc::clone(writer);
    tokio::spawn(async move { writer.flush_rest().await })
}

#[tokio::test]
async fn frames_arrive_whole_and_in_order() {
    for (name, (writer, mut peer)) in each().await {
        let mut sent = Vec::new();
        for seed in 0..20 {
            let mut more = frames(seed);
            let bytes = more.concat();
            let (read, ()) = tokio::join!(
                async {
                    let mut got = vec![0; bytes.len()];
                    peer.read_exact(&mut got).await.unwrap();
                    got
                },
                async {
                    if writer.write(&mut more) == Written::Blocked {
                        let flushed = writer.flush_rest().await;
                        assert!(matches!(flushed, Flushed::Drained(_)), "{name}");
                    }
                    assert!(more.is_empty(), "{name}");
                },
            );
            assert!(read == bytes, "{name}");
            sent.extend(read);
        }
        assert_eq!(writer.rest_bytes(), 0, "{name}");
    }
}

#[tokio::test]
async fn a_stuck_peer_costs_what_one_write_gave_and_nobody_else() {
    for (name, (writer, mut peer)) in each().await {
        let (bystander, mut other_peer) = tcp().await;
        let sent = fill(&writer);
        let one_write = frames(0).concat().len();
        assert!(writer.rest_bytes() <= one_write, "{name}");
        let rest = writer.rest_bytes();
        for seed in 0..10 {
            let mut more = frames(seed);
            assert_eq!(writer.write(&mut more), Written::Blocked, "{name}");
            assert_eq!(more, frames(seed), "{name}: nothing is taken");
        }
        assert_eq!(writer.rest_bytes(), rest, "{name}");
        assert_eq!(
            bystander.write(&mut vec![Bytes::from_static(b"on")]),
            Written::All
        );
        expect(&mut other_peer, b"on", name).await;

        assert_eq!(writer.wait(7), None, "{name}");
        assert_eq!(writer.wait(8), None, "{name}");
        let drained = drain(&writer);
        expect(&mut peer, &sent, name).await;
        match drained.await.unwrap() {
            Flushed::Drained(tokens) => assert_eq!(tokens, [7, 8], "{name}"),
            ended => panic!("{name}: {ended:?}"),
        }
        assert_eq!(writer.rest_bytes(), 0, "{name}");
        assert_eq!(writer.wait(9), Some(9), "{name}: nothing to wait for");
        assert_eq!(
            writer.write(&mut vec![Bytes::from_static(b"again")]),
            Written::All
        );
        expect(&mut peer, b"again", name).await;
    }
}

#[tokio::test]
async fn the_connections_task_is_woken_when_something_is_left_over() {
    for (name, (writer, mut peer)) in each().await {
        let drained = drain(&writer);
        tokio::task::yield_now().await;
        let sent = fill(&writer);
        expect(&mut peer, &sent, name).await;
        assert!(
            matches!(drained.await.unwrap(), Flushed::Drained(_)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_flush_that_is_dropped_loses_nothing() {
    for (name, (writer, mut peer)) in each().await {
        let sent = fill(&writer);
        let (mut got, mut part) = (Vec::<u8>::new(), [0; 5_000]);
        while got.len() < sent.len() {
            tokio::select! {
                biased;
                read = peer.read(&mut part) => got.extend(&part[..read.unwrap()]),
                _ = writer.flush_rest() => {}
            }
        }
        assert!(got == sent, "{name}");
    }
}

#[tokio::test]
async fn a_close_leaves_behind_the_rest_and_ends_the_stream() {
    for (name, (writer, mut peer)) in each().await {
        let mut sent = fill(&writer);
        assert_eq!(writer.wait(1), None);
        let closed = drain(&writer);
        tokio::task::yield_now().await;
        writer.close(Bytes::from_static(b"CLOSE"));
        writer.close(Bytes::from_static(b"a second one"));
        sent.extend(b"CLOSE");
        let mut late = vec![Bytes::from_static(b"late")];
        assert_eq!(writer.write(&mut late), Written::Closed, "{name}");
        assert_eq!(writer.wait(2), Some(2), "{name}");
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        assert!(got == sent, "{name}");
        assert!(matches!(closed.await.unwrap(), Flushed::Closed), "{name}");
        assert!(
            matches!(writer.flush_rest().await, Flushed::Closed),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_close_of_an_idle_connection_leaves_at_once() {
    for (name, (writer, mut peer)) in each().await {
        let closed = drain(&writer);
        tokio::task::yield_now().await;
        writer.close(Bytes::from_static(b"CLOSE"));
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"CLOSE", "{name}");
        assert!(matches!(closed.await.unwrap(), Flushed::Closed), "{name}");
    }
}

#[tokio::test]
async fn a_peer_that_is_gone_breaks_the_connection() {
    for (name, (writer, peer)) in each().await {
        fill(&writer);
        assert_eq!(writer.wait(1), None, "{name}");
        let ended = drain(&writer);
        tokio::task::yield_now().await;
        drop(peer);
        assert!(matches!(ended.await.unwrap(), Flushed::Broken(_)), "{name}");
        let mut late = vec![Bytes::from_static(b"late")];
        assert_eq!(writer.write(&mut late), Written::Closed, "{name}");
        writer.close(Bytes::from_static(b"CLOSE"));
        assert_eq!(writer.rest_bytes(), 0, "{name}");
        assert!(
            matches!(writer.flush_rest().await, Flushed::Broken(_)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_write_that_fails_tells_the_connections_task() {
    let (writer, peer) = other();
    let ended = drain(&writer);
    tokio::task::yield_now().await;
    drop(peer);
    assert_eq!(
        writer.write(&mut vec![Bytes::from_static(b"x")]),
        Written::Closed
    );
    assert!(matches!(ended.await.unwrap(), Flushed::Broken(_)));
}

#[tokio::test]
async fn a_room_of_more_than_a_tasks_budget_is_written_at_once() {
    let mut members = Vec::new();
    members.resize_with(1_000, other);
    for (writer, _) in &members {
        assert_eq!(
            writer.write(&mut vec![Bytes::from_static(b"all")]),
            Written::All
        );
    }
}

#[tokio::test]
async fn nothing_to_write_is_written() {
    for (name, (writer, _peer)) in each().await {
        assert_eq!(writer.write(&mut Vec::new()), Written::All, "{name}");
        assert_eq!(
            writer.write(&mut vec![Bytes::new()]),
            Written::All,
            "{name}"
        );
        assert!(poll_once(writer.flush_rest()).is_pending(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_that_write_at_once_do_not_mix_their_frames() {
    const ROOMS: u8 = 4;
    const FRAMES: usize = 500;
    let (writer, mut peer) = tcp().await;
    let (told, _) = tokio::sync::watch::channel(());
    let told = Arc::new(told);
    for room in 0..ROOMS {
        let (writer, mut drained) = (Arc::clone(&writer), told.subscribe());
        tokio::spawn(async move {
            for n in 0..FRAMES {
                let frame = Bytes::from(vec![room; 1 + n % 3_000]);
                let mut frames = vec![Bytes::copy_from_slice(&(frame.len() as u32).to_be_bytes())];
                frames.push(frame);
                while writer.write(&mut frames) == Written::Blocked && !frames.is_empty() {
                    drained.mark_unchanged();
                    if writer.wait(room.into()).is_none() {
                        drained.changed().await.unwrap();
                    }
                }
            }
        });
    }
    let (task_writer, task_told) = (Arc::clone(&writer), Arc::clone(&told));
    let task = tokio::spawn(async move {
        while let Flushed::Drained(_) = task_writer.flush_rest().await {
            task_told.send_replace(());
        }
    });
    let mut counts = [0; ROOMS as usize];
    while counts != [FRAMES; ROOMS as usize] {
        let size = peer.read_u32().await.unwrap() as usize;
        let mut frame = vec![0; size];
        peer.read_exact(&mut frame).await.unwrap();
        let room = usize::from(frame[0]);
        assert_eq!(
            size,
            1 + counts[room] % 3_000,
            "frames of a room are in order"
        );
        assert!(frame.iter().all(|byte| *byte == frame[0]));
        counts[room] += 1;
    }
    writer.close(Bytes::from_static(b"CLOSE"));
    task.await.unwrap();
}

#[tokio::test]
async fn what_is_kept_leaves_with_a_push_and_in_its_order() {
    for (name, (writer, mut peer)) in each().await {
        let kept = |seed: usize| vec![Bytes::from(vec![seed as u8; 100])];
        let mut sent = Vec::new();
        for (seed, goes_on) in [
            (|writer: &Writer| writer.push()) as fn(&Writer),
            |writer| assert_eq!(writer.write(&mut vec![]), Written::All),
            |writer| assert_eq!(writer.keep(&mut vec![]), Written::All),
            |writer| writer.close(Bytes::from_static(b"CLOSE")),
        ]
        .into_iter()
        .enumerate()
        {
            let mut frames = kept(seed);
            assert_eq!(writer.keep(&mut frames), Written::Kept, "{name}");
            assert!(frames.is_empty(), "{name}");
            sent.extend(kept(seed).concat());
            goes_on(&writer);
        }
        sent.extend(b"CLOSE");
        writer.push();
        let closed = drain(&writer);
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        assert!(got == sent, "{name}");
        assert!(matches!(closed.await.unwrap(), Flushed::Closed), "{name}");
        assert_eq!(writer.keep(&mut kept(9)), Written::Closed, "{name}");
    }
}

#[tokio::test]
async fn what_a_push_cannot_write_the_connections_task_does() {
    for (name, (writer, mut peer)) in each().await {
        let drained = drain(&writer);
        tokio::task::yield_now().await;
        let mut big = vec![Bytes::from(vec![7; 16 << 20])];
        assert_eq!(writer.keep(&mut big), Written::Kept, "{name}");
        writer.push();
        let mut more = vec![Bytes::from_static(b"more")];
        assert_eq!(writer.keep(&mut more), Written::Blocked, "{name}");
        assert_eq!(writer.wait(1), None, "{name}");
        expect(&mut peer, &vec![7; 16 << 20], name).await;
        match drained.await.unwrap() {
            Flushed::Drained(tokens) => assert_eq!(tokens, [1], "{name}"),
            ended => panic!("{name}: {ended:?}"),
        }
    }
}
