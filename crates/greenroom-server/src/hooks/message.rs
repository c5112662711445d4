//! What a receiver is sent: JSON, with the headers of Standard Webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use greenroom_core::collab::doc::ask::Whole;
use greenroom_core::hooks::Unloaded;
use greenroom_service::{Millis, RoomId};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use serde_json::{Map, Value, json};

use super::rules::Content;
use super::secret::{HookSecret, signatures};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The hooks, as configuration, logs and metrics call them.
pub(super) const ON_CHANGE: &str = "on_change";
/// See above.
pub(super) const AUTHENTICATE: &str = "authenticate";
/// See above.
pub(super) const ON_LOAD: &str = "on_load";
/// See above.
pub(super) const ON_UNLOAD: &str = "on_unload";

/// A message before it is signed.
#[derive(Debug)]
pub(super) struct Message {
    /// The same whenever the same thing is told: a receiver that has seen it need not do it again.
    pub(super) id: String,
    /// The word for logs and metrics.
    pub(super) hook: &'static str,
    pub(super) body: Bytes,
}

impl Message {
    fn new(id: String, hook: &'static str, at: Millis, data: Map<String, Value>) -> Self {
        let kind = match hook {
            ON_CHANGE => "document.changed",
            ON_LOAD => "room.load",
            AUTHENTICATE => "session.authenticate",
            _ => "room.unloaded",
        };
        let body = json!({ "type": kind, "at_ms": at.0, "data": data });
        let body = Bytes::from(body.to_string());
        Self { id, hook, body }
    }

    /// A document changed.
    pub(super) fn changed(
        room: &RoomId,
        document: &str,
        at: Millis,
        whole: Whole,
        content: Content,
    ) -> Self {
        let of = whole.of;
        let mut data = Map::new();
        data.insert("room".into(), room.as_str().into());
        data.insert("document".into(), document.into());
        data.insert("seq".into(), of.seq.into());
        if content.update {
            let update = STANDARD.encode(&whole.update);
            data.insert("update".into(), update.into());
        }
        data.extend(whole.json.map(|json| ("json".into(), json)));
        data.extend(whole.text.map(|text| ("text".into(), text.into())));
        // Names of documents are whatever users make them, and headers are not.
        let name = crc32fast::hash(document.as_bytes());
        let id = format!("chg_{:032x}_{name:08x}_{}", of.incarnation, of.seq);
        Self::new(id, ON_CHANGE, at, data)
    }

    /// Somebody wants into a room; `nonce` is random.
    pub(super) fn authenticate(data: Map<String, Value>, at: Millis, nonce: u64) -> Self {
        Self::new(format!("auth_{nonce:016x}"), AUTHENTICATE, at, data)
    }

    /// A room is to be told what it holds at first; `nonce` is random.
    pub(super) fn load(room: &RoomId, at: Millis, nonce: u64) -> Self {
        let mut data = Map::new();
        data.insert("room".into(), room.as_str().into());
        data.insert("document".into(), "".into());
        Self::new(format!("load_{nonce:016x}"), ON_LOAD, at, data)
    }

    /// A room was unloaded.
    pub(super) fn unloaded(room: &RoomId, at: Millis, seq: u64, why: Unloaded) -> Self {
        let mut data = Map::new();
        data.insert("room".into(), room.as_str().into());
        data.insert("seq".into(), seq.into());
        data.insert("reason".into(), why.name().into());
        let name = crc32fast::hash(room.as_str().as_bytes());
        let id = format!("unl_{name:08x}_{}_{seq}", at.0);
        Self::new(id, ON_UNLOAD, at, data)
    }

    /// The headers of this message, signed at `now_s`.
    pub(super) fn headers(&self, secrets: &[HookSecret], now_s: u64) -> HeaderMap {
        let signature = signatures(secrets, &self.id, now_s, &self.body);
        let value = |text: &str| {
            HeaderValue::from_str(text).expect("hex digits, numbers and base64 fit into a header")
        };
        let agent = concat!("greenroom/", env!("CARGO_PKG_VERSION"));
        HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (USER_AGENT, HeaderValue::from_static(agent)),
            (ID, value(&self.id)),
            (TIMESTAMP, value(&now_s.to_string())),
            (SIGNATURE, value(&signature)),
        ])
    }
}
