//! The WebSocket doors: path to room, credential to rights, handshake to connection.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use greenroom_core::close_reason::{CloseReason, Protocol};
use greenroom_core::limits::Limits;
use greenroom_core::registry::Refused;
use greenroom_core::room::session::Hello;
use greenroom_service::{ConnId, RoomId, SessionId};
use http::{HeaderMap, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

use crate::app::App;
use crate::auth::{Identity, subprotocol_answer, token_of};
use crate::codec::{Agreed, CodecLimits, Decoder, Upgrade, negotiate, upgrade};
use crate::conn::{self, ConnTask};
use crate::crowd::{Full, Place};
use crate::edge::wall_ms;
use crate::hooks::Question;
use crate::link::{Conn, Resume};
use crate::meters::table;
use crate::multiplex::{self, Peer};
use crate::pace::Crowded;
use crate::problem::problem;
use crate::proxies::Client;
use crate::reader::ConnReader;
use crate::settings::Kind;
use crate::spans;
use crate::writer::ConnWriter;

/// How long the switch from HTTP to WebSocket may take.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(5);

/// `/yjs/{room}?doc=NAME`: y-websocket.
pub(crate) async fn yjs(State(app): State<Arc<App>>, request: Request) -> Response {
    open(&app, request, "/yjs/", Protocol::Yjs).await
}

/// `/ws/room/{room}`: a service's raw frames.
pub(crate) async fn raw(State(app): State<Arc<App>>, request: Request) -> Response {
    open(&app, request, "/ws/room/", Protocol::Raw).await
}

/// Answers a handshake. What is wrong with the request itself is said by HTTP; what a client must
/// not retry is said by a close code, because a page cannot see why a handshake was refused.
async fn open(app: &Arc<App>, request: Request, prefix: &str, protocol: Protocol) -> Response {
    open_room(app, request, |request| room_of(request, prefix), protocol).await
}

/// As [`open`]; `named` says which room.
async fn open_room(
    app: &Arc<App>,
    request: Request,
    named: impl FnOnce(&Request) -> Result<RoomId, Box<Response>>,
    protocol: Protocol,
) -> Response {
    let knocked =
        knock(app, &request).and_then(|upgrade| named(&request).map(|room| (upgrade, room)));
    let (upgrade, room) = match knocked {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    let Ok(place) = place_of(app, &request) else {
        return one_too_many();
    };
    match app.pace.turn().await {
        Ok(()) => let_in(app, request, protocol, upgrade, room, place),
        Err(Crowded) => come_again(),
    }
}

/// `/d/{id}/ws/{id}`: y-sweet.
pub(crate) async fn ysweet(State(app): State<Arc<App>>, request: Request) -> Response {
    let path = request.uri().path();
    let ids = path
        .strip_prefix("/d/")
        .and_then(|ids| ids.split_once("/ws/"));
    let room = match ids {
        Some((id, again)) if id == again => RoomId::new(&percent_decode(id)).ok(),
        _ => None,
    };
    let Some(room) = room else {
        let detail = "the document's id stands twice in the path, and is a room's name";
        return problem(StatusCode::BAD_REQUEST, "room_name", detail);
    };
    open_room(&app, request, |_| Ok(room), Protocol::Ysweet).await
}

/// `/hocuspocus`: Hocuspocus. Which rooms are wanted, and with which tokens, is said later.
pub(crate) async fn hocuspocus(State(app): State<Arc<App>>, mut request: Request) -> Response {
    let upgrade = match knock(&app, &request) {
        Ok(upgrade) => upgrade,
        Err(refused) => return *refused,
    };
    let Ok(place) = place_of(&app, &request) else {
        return one_too_many();
    };
    if let Err(Crowded) = app.pace.turn().await {
        return come_again();
    }
    let policy = app.policy();
    let agreed = negotiate(request.headers()).filter(|_| policy.compression);
    let limits = Arc::clone(&policy.limits);
    let token = token_of(request.headers(), request.uri().query());
    let origin = origin_of(&request);
    let (response, upgraded) = answer(&mut request, upgrade, agreed.as_ref());
    let task_app = Arc::clone(&app);
    app.edge().spawn(async move {
        let Ok(Ok(upgraded)) = tokio::time::timeout(UPGRADE_DEADLINE, upgraded).await else {
            return;
        };
        let decoder = decoder(limits.yjs_frame_bytes_max, &limits, agreed.is_some());
        let (writer, reader, early) = halves(upgraded, decoder);
        let deflates = agreed.is_some_and(|agreed| agreed.deflates);
        let peer = Peer {
            token,
            origin,
            deflates,
            _place: place,
        };
        multiplex::run(task_app, writer, reader, limits, peer, early).await;
    });
    response
}

/// Counts as a connection of its address from now on.
fn place_of(app: &App, request: &Request) -> Result<Option<Place>, Full> {
    let place = client_of(request).map(|client| app.crowd.enter(client.ip));
    place.transpose()
}

/// Answers a handshake: the answer, and where the connection will be.
fn answer(
    request: &mut Request,
    mut upgrade: Upgrade,
    agreed: Option<&Agreed>,
) -> (Response, hyper::upgrade::OnUpgrade) {
    upgrade.extension = agreed.map(|agreed| agreed.answer.clone());
    let mut response = upgrade.response(Body::empty());
    if let Some(chosen) = chosen_subprotocol(request.headers()) {
        response
            .headers_mut()
            .insert(http::header::SEC_WEBSOCKET_PROTOCOL, chosen);
    }
    (response, hyper::upgrade::on(request))
}

/// Reads messages of at most so many bytes; `inflates` when the peer may compress them.
fn decoder(message_bytes_max: usize, limits: &Limits, inflates: bool) -> Decoder {
    let codec_limits = CodecLimits {
        message_bytes_max,
        frame_bytes_max: message_bytes_max,
        fragments_max: limits.frame_fragments_max,
    };
    if inflates {
        Decoder::inflating(codec_limits)
    } else {
        Decoder::new(codec_limits)
    }
}

/// The address has as many connections as it may.
fn one_too_many() -> Response {
    let detail = "too many connections from this address";
    problem(StatusCode::TOO_MANY_REQUESTS, "connections_per_ip", detail)
}

/// More wait than can be let in soon: a client that backs off comes again.
fn come_again() -> Response {
    let detail = "too many connections at once; try again in a few seconds";
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "crowded", detail);
    let after = http::HeaderValue::from_static("5");
    response
        .headers_mut()
        .insert(http::header::RETRY_AFTER, after);
    response
}

/// What can be said of a handshake by itself: whether it is one, whether its page may. Boxed, since a
/// response is large.
fn knock(app: &App, request: &Request) -> Result<Upgrade, Box<Response>> {
    let upgrade = match upgrade(
        request.method(),
        request.version(),
        request.headers(),
        |_| false,
    ) {
        Ok(upgrade) => upgrade,
        Err(error) => {
            let mut response = problem(error.status(), "handshake", &error.to_string());
            response.headers_mut().extend(error.headers());
            return Err(Box::new(response));
        }
    };
    let origins = &app.policy().origins;
    if let Err(error) = origins.check_headers(request.headers(), asked_of_proxy(request)) {
        table::ORIGIN_REJECTED.with(&[]).increment(1);
        let detail = format!("{error}; {}", error.hint());
        let refused = problem(StatusCode::FORBIDDEN, "origin", &detail);
        return Err(Box::new(refused));
    }
    Ok(upgrade)
}

/// The room that a handshake asks for.
fn room_of(request: &Request, prefix: &str) -> Result<RoomId, Box<Response>> {
    let path = request.uri().path();
    let named = path.strip_prefix(prefix).unwrap_or_default();
    match RoomId::new(&percent_decode(named)) {
        Ok(room) => Ok(room),
        Err(error) => {
            let refused = problem(StatusCode::BAD_REQUEST, "room_name", &error.to_string());
            Err(Box::new(refused))
        }
    }
}

/// Answers a handshake and starts its connection.
fn let_in(
    app: &Arc<App>,
    mut request: Request,
    protocol: Protocol,
    upgrade: Upgrade,
    room: RoomId,
    place: Option<Place>,
) -> Response {
    let policy = app.policy();
    let agreed = negotiate(request.headers()).filter(|_| policy.compression);
    let token = token_of(request.headers(), request.uri().query());
    let document = query_value(request.uri().query(), "doc").unwrap_or_default();
    let judged = policy.authenticate(token.as_deref(), &room, wall_ms() / 1_000);
    let whom = (&room, document.as_str(), protocol);
    let question = Question::of(&policy, &request, whom, token.as_deref(), &judged);
    let identity = judged.map_err(|error| {
        if question.is_some() {
            return error.close_reason();
        }
        table::AUTH_FAILURES.with(&[error.name()]).increment(1);
        spans::room(&room).in_scope(|| tracing::debug!(%error, "not let in"));
        error.close_reason()
    });
    let right_door = match (app.settings().kind_of(&room), protocol) {
        (Kind::Collab, Protocol::Yjs | Protocol::Ysweet) | (Kind::Service(_), Protocol::Raw) => {
            Ok(())
        }
        _ => Err(CloseReason::Forbidden),
    };
    let origin = origin_of(&request);
    let (response, upgraded) = answer(&mut request, upgrade, agreed.as_ref());
    let arrival = Box::new(Arrival {
        app: Arc::clone(app),
        document,
        origin,
        limits: policy.limits_of(&room),
        room,
        protocol,
        inflates: agreed.is_some(),
        deflates: agreed.is_some_and(|agreed| agreed.deflates),
        question: question.filter(|_| right_door.is_ok()),
        identity: identity.and_then(|identity| right_door.map(|()| identity)),
    });
    app.edge().spawn(async move {
        // Counts as a connection of its address for as long as it lasts.
        let _place = place;
        let Ok(Ok(upgraded)) = tokio::time::timeout(UPGRADE_DEADLINE, upgraded).await else {
            return;
        };
        if let Some((hello, task, early)) = arrival.admit(upgraded).await {
            conn::run(hello, task, early).await;
        }
    });
    response
}

fn chosen_subprotocol(headers: &HeaderMap) -> Option<http::HeaderValue> {
    http::HeaderValue::from_str(subprotocol_answer(headers, &[])?).ok()
}

/// Who sends it; unknown under somebody else's server.
fn client_of(request: &Request) -> Option<&Client> {
    request.extensions().get()
}

/// The host that was asked for, where a trusted proxy says that it was another than it asks for.
fn asked_of_proxy(request: &Request) -> Option<&str> {
    client_of(request)?.host.as_deref()
}

fn origin_of(request: &Request) -> String {
    client_of(request).map_or_else(|| "unknown".into(), |client| client.ip.to_string())
}

/// Somebody whose handshake was answered.
struct Arrival {
    app: Arc<App>,
    /// Of the room.
    limits: Arc<Limits>,
    room: RoomId,
    document: String,
    origin: String,
    protocol: Protocol,
    /// permessage-deflate was agreed on: the peer may send compressed messages.
    inflates: bool,
    /// The peer is sent compressed messages.
    deflates: bool,
    identity: Result<Identity, CloseReason>,
    /// A hook decides instead.
    question: Option<Question>,
}

impl Arrival {
    /// Takes the connection over from HTTP and waits for its room; one that is not let in is told
    /// why.
    async fn admit(
        self: Box<Self>,
        upgraded: Upgraded,
    ) -> Option<(Box<Hello>, Box<ConnTask>, Vec<u8>)> {
        let limits = &self.limits;
        let message_bytes_max = match self.protocol {
            Protocol::Yjs | Protocol::Ysweet => limits.yjs_frame_bytes_max,
            _ => limits.native_frame_bytes_max,
        };
        let decoder = decoder(message_bytes_max, limits, self.inflates);
        let (writer, reader, early) = halves(upgraded, decoder);
        let conn = Arc::new(Conn::new(
            writer,
            self.protocol,
            self.app.edge().clock.now(),
        ));
        let identity = match self.question {
            Some(question) => question.ask(self.app.edge()).await,
            None => self.identity,
        };
        let admitted = match identity {
            Ok(identity) => self
                .app
                .rooms()
                .open(&self.room)
                .await
                .map(|room| (identity, room))
                .map_err(reason_of),
            Err(reason) => Err(reason),
        };
        let (identity, room) = match admitted {
            Ok(admitted) => admitted,
            Err(reason) => {
                conn::turn_away(&conn, reader, reason).await;
                return None;
            }
        };
        let expires = end_of(&identity);
        let n = self.app.next_connection();
        let hello = Box::new(Hello {
            conn: ConnId {
                node: self.app.edge().node.0,
                n,
            },
            user: identity.user,
            rights: identity.rights,
            protocol: self.protocol,
            document: self.document,
            address: String::new(),
            deflate: self.deflates,
            origin: self.origin,
        });
        let task = ConnTask::new(conn, reader, (room, SessionId(n)), self.limits, expires);
        Some((hello, task, early))
    }
}

/// When the credential of `identity` ends.
pub(crate) fn end_of(identity: &Identity) -> Option<Instant> {
    identity.expires_at_unix_s.map(|at| {
        let left_ms = at.saturating_mul(1_000).saturating_sub(wall_ms());
        Instant::now() + Duration::from_millis(left_ms.min(u64::from(u32::MAX)))
    })
}

pub(crate) fn reason_of(refused: Refused) -> CloseReason {
    match refused {
        Refused::Unavailable => CloseReason::RoomFault,
        Refused::Moved => CloseReason::Moved,
        Refused::Stopping => CloseReason::Shutdown,
    }
}

/// Takes the raw stream back from HTTP, with the bytes that came behind the handshake.
fn halves(upgraded: Upgraded, decoder: Decoder) -> (ConnWriter<Resume>, ConnReader, Vec<u8>) {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let (read, write) = parts.io.into_inner().into_split();
            let early = Bytes::into(parts.read_buf);
            let reader = ConnReader::tcp(read, decoder);
            return (ConnWriter::tcp(write), reader, early);
        }
        Err(other) => other,
    };
    #[cfg(feature = "tls")]
    let upgraded = match upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>() {
        Ok(parts) => return split(parts.io.into_inner(), decoder, Bytes::into(parts.read_buf)),
        Err(other) => other,
    };
    // Some other stream, as under somebody else's server.
    split(TokioIo::new(upgraded), decoder, Vec::new())
}

fn split<S>(
    stream: S,
    decoder: Decoder,
    early: Vec<u8>,
) -> (ConnWriter<Resume>, ConnReader, Vec<u8>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let reader = ConnReader::other(read, decoder);
    (ConnWriter::other(write), reader, early)
}

/// Decodes percent escapes once; an invalid one stays as it is, and so does what is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes.get(at..at + 3).filter(|three| three[0] == b'%');
        let digits = escaped.and_then(|three| std::str::from_utf8(&three[1..]).ok());
        let is_hex = |digits: &&str| digits.bytes().all(|b| b.is_ascii_hexdigit());
        match digits
            .filter(is_hex)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

/// The value of the first query pair of this name.
fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query?
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_decode(&value.replace('+', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_once() {
        for (given, expected) in [
            ("plain", "plain"),
            ("a%20b", "a b"),
            ("a%2520b", "a%20b"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%+1", "%+1"),
            ("%ff", "%ff"),
            ("caf%C3%A9", "café"),
            ("a/b", "a/b"),
        ] {
            assert_eq!(percent_decode(given), expected, "{given}");
        }
    }

    #[test]
    fn the_first_pair_of_a_name_counts() {
        assert_eq!(
            query_value(Some("a=1&doc=x%20y&doc=z"), "doc").as_deref(),
            Some("x y")
        );
        assert_eq!(query_value(Some("doc"), "doc").as_deref(), Some(""));
        assert_eq!(query_value(None, "doc"), None);
    }
}
