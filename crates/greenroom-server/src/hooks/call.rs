//! One request to a receiver: signed, timed, counted, and logged when it fails.

use greenroom_service::RoomId;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::client::Answer;
use super::message::Message;
use super::rules::HookRules;
use super::target::HookUrl;
use crate::edge::{Edge, wall_ms};
use crate::meters::table;
use crate::spans;

/// A request to a receiver.
pub(super) struct Call<'a> {
    /// The word for logs and metrics.
    pub(super) hook: &'static str,
    pub(super) room: &'a RoomId,
    pub(super) url: &'a HookUrl,
    /// How often it was tried before.
    pub(super) tries: u32,
    /// Headers besides those of the message.
    pub(super) more: HeaderMap,
    /// What is read of the answer.
    pub(super) answer_bytes_max: usize,
}

impl Call<'_> {
    /// As [`Self::post`], of a question that somebody waits for: so many at a time.
    pub(super) async fn ask(
        self,
        edge: &Edge,
        rules: &HookRules,
        message: &Message,
        is_wanted: impl Fn(StatusCode) -> bool,
    ) -> Option<Answer> {
        let place = edge.hooks.asks.acquire();
        match tokio::time::timeout(rules.deadline(self.room), place).await {
            Ok(Ok(_place)) => self.post(edge, rules, message, is_wanted).await,
            _ => {
                self.failed(None, "too many questions are under way");
                None
            }
        }
    }

    /// Posts a message. Gives an answer whose status is one that was waited for.
    pub(super) async fn post(
        mut self,
        edge: &Edge,
        rules: &HookRules,
        message: &Message,
        is_wanted: impl Fn(StatusCode) -> bool,
    ) -> Option<Answer> {
        let began = Instant::now();
        let mut headers = message.headers(&rules.secrets, wall_ms() / 1_000);
        headers.extend(std::mem::take(&mut self.more));
        let body = message.body.clone();
        let client = &edge.hooks.client;
        let asked = client.post(
            self.url,
            &rules.private,
            headers,
            body,
            self.answer_bytes_max,
        );
        let asked = tokio::time::timeout(rules.deadline(self.room), asked).await;
        let took_s = began.elapsed().as_secs_f64();
        table::HOOK_SECONDS.with(&[self.hook]).record(took_s);
        let (status, error) = match asked {
            Ok(Ok(answer)) if is_wanted(answer.status) => {
                let (id, bytes) = (&message.id, message.body.len());
                spans::room(self.room)
                    .in_scope(|| tracing::debug!(hook = self.hook, id, bytes, "told"));
                return Some(answer);
            }
            Ok(Ok(answer)) => (Some(answer.status.as_u16()), String::new()),
            Ok(Err(error)) => (None, error.to_string()),
            Err(_) => (None, "no answer in time".to_owned()),
        };
        self.failed(status, &error);
        None
    }

    /// Counts a failure, and tells the operator.
    fn failed(&self, status: Option<u16>, error: &str) {
        let (hook, host, tries) = (self.hook, &self.url.host, self.tries);
        spans::room(self.room).in_scope(|| {
            tracing::warn!(hook, host, tries, status, error, "a hook's receiver failed");
        });
        table::HOOK_FAILURES.with(&[hook]).increment(1);
    }
}
