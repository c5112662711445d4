//! The table against what a server that did work of each kind shows, and what is written from it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use super::family::{Collect, Declared, Family, Meter};
use super::table::TABLE;
use super::{Counter, Gauge, Histogram, reference};
use crate::auth::{Authenticator, Keys, OriginPolicy, Reach};
use crate::store::FreeLimits;
use crate::{DataPlace, Front, Kind, Limits, Mode, Policy, Server, Settings, Stop};

mod deploy;

type Socket = tokio_tungstenite::WebSocketStream<MaybeTlsStream<TcpStream>>;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn names_say_what_they_count() {
    let mut names = BTreeSet::new();
    for metric in TABLE {
        let Declared {
            name, unit, labels, ..
        } = *metric.declared();
        assert!(names.insert(name), "{name} is there twice");
        let ours = ["greenroom_", "process_", "tokio_"];
        assert!(ours.iter().any(|prefix| name.starts_with(prefix)), "{name}");
        let counts = metric.kind() == "counter";
        assert_eq!(name.ends_with("_total"), counts, "{name}");
        let stem = name.trim_end_matches("_total");
        for said in ["seconds", "bytes"] {
            assert_eq!(stem.ends_with(said), unit == said, "{name} counts {unit}");
        }
        let help = metric.declared().help_text();
        assert!(
            help.ends_with('.') && !help.contains('\n'),
            "{name}: {help}"
        );
        let whole: [&str; 2] = ["room", "user"];
        assert!(!labels.iter().any(|label| whole.contains(label)), "{name}");
    }
}

#[test]
fn a_family_is_written_as_prometheus_reads_it() {
    let family = |buckets| Declared {
        name: "x",
        unit: "things",
        labels: &["a"],
        help: &[" Things", " of a\\kind."],
        buckets,
    };
    let counter = Family::<Counter>::new(family(&[]));
    counter.with(&["1"]).increment(2);
    counter.with(&["\"\\\n"]).increment(1);
    check(
        &counter,
        r#"# HELP x Things of a\\kind.
# TYPE x counter
x{a="\"\\\n"} 1
x{a="1"} 2
"#,
    );
    let gauge = Family::<Gauge>::new(Declared {
        labels: &[],
        ..family(&[])
    });
    gauge.with(&[]).set(2.5);
    gauge.with(&[]).add(-1.0);
    check(
        &gauge,
        "# HELP x Things of a\\\\kind.\n# TYPE x gauge\nx 1.5\n",
    );
    let histogram = Family::<Histogram>::new(family(&[0.5, 1.0]));
    histogram.with(&["v"]).record(0.5);
    histogram.with(&["v"]).record_many(0.75, 2);
    histogram.with(&["v"]).record(9.0);
    check(
        &histogram,
        r#"# HELP x Things of a\\kind.
# TYPE x histogram
x_bucket{a="v",le="0.5"} 1
x_bucket{a="v",le="1"} 3
x_bucket{a="v",le="+Inf"} 4
x_sum{a="v"} 11
x_count{a="v"} 4
"#,
    );
}

fn check<M: Meter>(family: &Family<M>, expected: &str) {
    let mut text = String::new();
    family.render(&mut text);
    assert_eq!(text, expected);
}

#[test]
fn a_family_does_not_grow_for_ever() {
    let family = Family::<Counter>::new(Declared {
        name: "x",
        unit: "things",
        labels: &["a"],
        help: &["Things."],
        buckets: &[],
    });
    for n in 0..1_500 {
        family.with(&[&n.to_string()]).increment(1);
    }
    let mut text = String::new();
    family.render(&mut text);
    assert_eq!(text.lines().count(), 2 + 1_001);
    assert!(text.contains("x{a=\"other\"} 500\n"), "{text}");
}

#[test]
fn the_reference_page_is_current() {
    let path = repository().join("docs/reference/metrics.md");
    let wanted = reference();
    if std::env::var_os("GREENROOM_UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, wanted,
        "write it anew: GREENROOM_UPDATE_REFERENCE=1 cargo test -p greenroom-server reference_page"
    );
}

/// A server in a directory that does a little of everything.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
    _data: tempfile::TempDir,
}

impl Running {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            data: DataPlace::Directory(data.path().join("data")),
            mode: Mode::Serve,
            policy: Policy {
                limits: Arc::new(Limits {
                    commit_window_ms: 1,
                    messages_per_s_max: 100,
                    messages_burst_max: 2,
                    documents_max: 1,
                    // Longer than the rate above takes for what moves within one.
                    presence_tick_ms: 1_000,
                    ..Limits::default()
                }),
                ..Policy::new(
                    Authenticator::open(Keys::none()),
                    OriginPolicy::new(Reach::Local, Vec::new()),
                )
            },
            kinds: vec![("count/*".parse().unwrap(), Kind::built_in("counter"))],
            disk_free: FreeLimits::NONE,
            drain_ms: 5_000,
            front: Front::default(),
        };
        change(&mut settings);
        let server = Server::bind(settings).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
            Stop::AtOnce
        }));
        Self {
            address,
            stop,
            running,
            _data: data,
        }
    }

    async fn join(&self, path: &str) -> Socket {
        let url = format!("ws://{}{path}", self.address);
        tokio_tungstenite::connect_async(url).await.unwrap().0
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (head, body) = self.ask(&format!("GET {path}")).await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body)
    }

    /// The head and the body of the answer to a request without a body.
    async fn ask(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let ask = format!("{request} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

/// Reads until a message arrives that is no control frame.
async fn next(socket: &mut Socket) -> Message {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            other => return other,
        }
    }
}

/// Work that leaves a trace in every metric.
async fn work(server: &Running) {
    // A service, durable: the answer comes when the record is stored. More than the burst.
    let mut counter = server.join("/ws/room/count/1").await;
    for _ in 0..4 {
        counter.send(Message::text("increment")).await.unwrap();
    }
    for _ in 0..4 {
        next(&mut counter).await;
    }
    // A document: its question is answered with an answer and a question.
    let mut editor = server.join("/yjs/doc").await;
    let sync_step_1: &[u8] = &[0, 0, 1, 0];
    editor.send(Message::binary(sync_step_1)).await.unwrap();
    next(&mut editor).await;
    // Presence that moves twice more before the next tick, and one document more than there may be.
    let mut moves = Vec::new();
    for clock in [1, 2, 3] {
        let entry = [1, 7, clock, 2, b'{', b'}'];
        moves.extend([1, entry.len() as u8]);
        moves.extend(entry);
    }
    editor.send(Message::binary(moves)).await.unwrap();
    let mut other = server.join("/yjs/doc?doc=other").await;
    while let Some(Ok(_)) = other.next().await {}
    // A room that is made and deleted.
    for (method, status) in [("PUT", "201"), ("DELETE", "204")] {
        let head = server.ask(&format!("{method} /api/rooms/gone")).await.0;
        assert!(head.contains(status), "{method}: {head}");
    }
    // A peer that leaves, one that talks nonsense, and a token that is none.
    counter.close(None).await.unwrap();
    while let Some(Ok(_)) = counter.next().await {}
    editor.send(Message::binary(vec![0xff; 64])).await.unwrap();
    while let Some(Ok(_)) = editor.next().await {}
    let mut stranger = server.join("/yjs/doc?token=x.y.z").await;
    while let Some(Ok(_)) = stranger.next().await {}
    // A page that may not.
    let url = format!("ws://{}/yjs/doc", server.address);
    let mut request = url.into_client_request().unwrap();
    let origin = "https://elsewhere.example".parse().unwrap();
    request.headers_mut().insert("Origin", origin);
    tokio_tungstenite::connect_async(request).await.unwrap_err();
}

/// The names of the samples of a page, a histogram's without their suffixes.
fn shown(page: &str) -> BTreeMap<String, String> {
    let types: BTreeMap<_, _> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let name = |line: &str| {
        let name = line.split(['{', ' ']).next().unwrap().to_owned();
        let stem = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .filter(|stem| types.get(stem) == Some(&"histogram"));
        let stem = stem.map_or(name.clone(), str::to_owned);
        let kind = (*types.get(&*stem).unwrap_or(&"")).to_owned();
        (stem, kind)
    };
    samples.map(name).collect()
}

#[tokio::test]
async fn a_server_that_worked_shows_every_metric_and_no_other() {
    let server = Running::start(|_| {}).await;
    work(&server).await;
    let (status, first) = server.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(first.contains("\ngreenroom_ready 1\n"), "{first}");
    // What is counted when a room ends or a write fails: there are handles for them at once, but
    // no series before the first.
    super::table::ROOMS_STOPPED.with(&["drained"]);
    super::table::HOOK_DELIVERIES.with(&["on_change", "delivered"]);
    super::table::HOOK_FAILURES.with(&["on_change"]);
    super::table::HOOK_SECONDS.with(&["on_change"]);
    super::table::STORE_REFUSED.with(&["sqlite", "full"]);
    let (_, page) = server.get("/metrics").await;
    let declared: BTreeMap<_, _> = TABLE
        .iter()
        .map(|metric| (metric.declared().name.to_owned(), metric.kind().to_owned()))
        .collect();
    assert_eq!(shown(&page), declared);
    for wanted in [
        "greenroom_connections_opened_total{protocol=\"yjs\"} ",
        "greenroom_rooms_loaded{pattern=\"count/*\",kind=\"service\"} 1\n",
        "greenroom_events_total{kind=\"service\",outcome=\"ok\"} ",
        "greenroom_ack_seconds_count{pattern=\"count/*\"} ",
        "greenroom_fanout_seconds_count{pattern=\"count/*\"} ",
        "greenroom_room_load_seconds_count{pattern=\"**\"} 2\n",
        "greenroom_limit_hits_total{limit=\"messages_per_s_max\"} ",
        "greenroom_limit_hits_total{limit=\"documents_max\"} ",
        "greenroom_frames_coalesced_total{protocol=\"yjs\"} ",
        "greenroom_auth_failures_total{reason=\"malformed\"} 1\n",
        "greenroom_origin_rejected_total 1\n",
        "greenroom_http_requests_total{route=\"/yjs/{*room}\",method=\"GET\",status=\"1xx\"} ",
        "greenroom_rooms 1\n",
        "code=\"4400\",reason=\"malformed\"} 1\n",
        "reason=\"peer\"} 1\n",
    ] {
        assert!(page.contains(wanted), "{wanted} is missing in {page}");
    }
    assert!(!page.contains("count/1"), "a room's name is in {page}");
    server.stop().await;
}

/// What stays at zero in a server that does its work, and the test that moves it: its file and name.
const QUIET: [(&str, &str, &str); 10] = [
    (
        "greenroom_room_notes_total",
        "crates/greenroom-server/src/meters/tests.rs",
        "fn a_low_disk_is_not_ready_and_takes_no_writes",
    ),
    (
        "greenroom_store_refused_total",
        "crates/greenroom-server/src/meters/tests.rs",
        "fn a_low_disk_is_not_ready_and_takes_no_writes",
    ),
    (
        "greenroom_store_free_min_bytes",
        "crates/greenroom/tests/it/options.rs",
        "fn what_must_stay_free_is_the_smaller_of_both",
    ),
    (
        "greenroom_store_poisoned",
        "crates/greenroom-server/src/store/thread/tests.rs",
        "fn a_panic_of_the_store_answers_everybody",
    ),
    (
        "greenroom_clock_offset_seconds",
        "clients/tests/clock.test.mjs",
        "test(\"no jump of the wall clock closes anybody or changes the order\"",
    ),
    (
        "greenroom_hook_deliveries_total",
        "clients/tests/hooks.test.mjs",
        "test(\"what hooks do is counted\"",
    ),
    (
        "greenroom_hook_failures_total",
        "clients/tests/hooks.test.mjs",
        "test(\"what hooks do is counted\"",
    ),
    (
        "greenroom_hook_seconds",
        "clients/tests/hooks.test.mjs",
        "test(\"what hooks do is counted\"",
    ),
    (
        "greenroom_hook_queue",
        "clients/tests/hooks.test.mjs",
        "test(\"what hooks do is counted\"",
    ),
    (
        "greenroom_hook_oldest_seconds",
        "clients/tests/hooks.test.mjs",
        "test(\"what hooks do is counted\"",
    ),
];

/// What no test moves, and why.
const UNMOVED: [(&str, &str); 1] = [(
    "tokio_global_queue_depth",
    "it is zero whenever a worker that is free reads it",
)];

#[test]
fn every_quiet_metric_is_moved_by_a_test() {
    for (name, file, test) in QUIET {
        let text = std::fs::read_to_string(repository().join(file)).unwrap();
        let (_, rest) = text
            .rsplit_once(test)
            .unwrap_or_else(|| panic!("{file}: no {test}"));
        let body = rest.split("\n}").next().unwrap();
        assert!(body.contains(name), "{file}: {test} does not read {name}");
    }
}

/// The metrics of a page that have a sample above zero; of a histogram, its count.
fn moved(page: &str) -> BTreeSet<String> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let moved = samples.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let name = series.split('{').next()?;
        (value.parse::<f64>().ok()? != 0.0).then_some(name)
    });
    let stem = |name: &str| name.strip_suffix("_count").unwrap_or(name).to_owned();
    moved.map(stem).collect()
}

#[tokio::test]
async fn work_moves_every_metric_but_those_that_say_why_not() {
    let server = Running::start(|_| {}).await;
    let _stays = server.join("/ws/room/count/2").await;
    work(&server).await;
    let quiet = QUIET.map(|(name, ..)| name).into_iter();
    let quiet: Vec<_> = quiet.chain(UNMOVED.map(|(name, _)| name)).collect();
    let names = TABLE.iter().map(|metric| metric.declared().name);
    let wanted: BTreeSet<_> = names.filter(|name| !quiet.contains(name)).collect();
    let all_moved = async {
        loop {
            // Some are looked at twice a second only.
            let page = server.get("/metrics").await.1;
            let moved = moved(&page);
            let still: Vec<_> = wanted
                .iter()
                .filter(|name| !moved.contains(**name))
                .collect();
            if still.is_empty() {
                return;
            }
            println!("{still:?} did not move yet");
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, all_moved).await.unwrap();
    for name in quiet {
        assert!(TABLE.iter().any(|metric| metric.declared().name == name));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_low_disk_is_not_ready_and_takes_no_writes() {
    let server = Running::start(|settings| {
        settings.disk_free = FreeLimits {
            bytes_min: u64::MAX,
            percent_min: 100,
        };
    })
    .await;
    let (status, body) = server.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("\"store full: "), "{body}");
    let mut counter = server.join("/ws/room/count/1").await;
    counter.send(Message::text("increment")).await.unwrap();
    // Nothing is acknowledged that is not stored: the room is built anew, its peer comes back.
    while let Some(Ok(message)) = counter.next().await {
        assert!(!message.is_text() || message.to_text().unwrap() != "new value: 1");
    }
    drop(counter);
    let (_, page) = server.get("/metrics").await;
    let refused = "greenroom_store_refused_total{store=\"sqlite\",reason=\"full\"} 1\n";
    assert!(page.contains(refused), "{page}");
    let noted = "greenroom_room_notes_total{pattern=\"count/*\"} ";
    let notes = page.lines().find_map(|line| line.strip_prefix(noted));
    assert_ne!(notes, Some("0"), "{page}");
    assert!(notes.is_some(), "{page}");
    assert!(page.contains("\ngreenroom_ready 0\n"));
    assert!(page.contains("greenroom_rooms 0\n"));
    server.stop().await;
}
