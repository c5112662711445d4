//! HTTP to a server, for the commands that talk to one.

use std::io::Read;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Method, Request, Response, StatusCode, header};
use ureq::{Agent, Body, SendBody};

use crate::cli::GlobalOptions;
use crate::env_vars;
use crate::failure::Failure;
use crate::trust::{self, Trust};

/// How long to wait for a connection, and for the head of an answer: a room may have to be loaded.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const HEAD_DEADLINE: Duration = Duration::from_secs(60);

/// The largest answer that is kept in memory; files are not.
pub(crate) const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// One server, and who asks it.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    /// The address without a slash at its end.
    base: String,
    token: Option<String>,
}

/// An answer, of whatever status.
pub(crate) type Answer = Response<Body>;

impl Client {
    /// The server and the token of the options.
    ///
    /// # Errors
    /// When the address is none, or the token cannot be read.
    pub(crate) fn new(global: &GlobalOptions) -> Result<Self, Failure> {
        let token = token(global)?;
        Self::to(
            &global.server,
            token.as_deref(),
            HEAD_DEADLINE,
            Trust::Authorities,
        )
    }

    /// A server at another address, which has `deadline` for the head of its answer.
    ///
    /// # Errors
    /// When the address is none, or is https and there is nobody to trust.
    pub(crate) fn to(
        url: &str,
        token: Option<&str>,
        deadline: Duration,
        trust: Trust,
    ) -> Result<Self, Failure> {
        let base = base_of(url)?;
        let config = Agent::config_builder()
            .tls_config(trust::tls_config(&base, trust)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_DEADLINE.min(deadline)))
            .timeout_recv_response(Some(deadline))
            .user_agent(concat!("greenroom/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .build();
        Ok(Self {
            agent: config.into(),
            base,
            token: token.map(str::to_owned),
        })
    }

    /// Asks, and gives whatever is answered.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) fn ask(&self, method: Method, path: &str) -> Result<Answer, Failure> {
        self.send(method, path, None, SendBody::none())
    }

    /// Asks with a body, and gives whatever is answered.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        body: SendBody<'_>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::ACCEPT, "application/json, */*");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(kind) = kind {
            // Whoever refuses it is heard before the body is sent, and not cut off in the middle.
            request = request
                .header(header::CONTENT_TYPE, kind)
                .header(header::EXPECT, "100-continue");
        }
        let request = request.body(body).map_err(|_| {
            Failure::usage("the token holds characters that no token has")
                .hint("take it whole, as `greenroom token new` prints it")
        })?;
        self.agent
            .run(request)
            .map_err(|error| self.unreachable(&error))
    }

    /// The answer to a question that has one, `Failure` when it is a refusal.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        let answer = self.ask(Method::GET, path)?;
        self.accepted(answer)
    }

    /// The body of an answer as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn json(&self, answer: Answer) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body(answer)?).map_err(|_| self.stranger("no JSON"))
    }

    /// The body of an answer.
    ///
    /// # Errors
    /// When it breaks off or does not end.
    pub(crate) fn body(&self, answer: Answer) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let body = answer.into_body().into_reader();
        body.take(ANSWER_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.broken(&error))?;
        if bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Err(self.stranger("more than 64 MiB"));
        }
        Ok(bytes)
    }

    /// An answer that broke off.
    pub(crate) fn broken(&self, error: &std::io::Error) -> Failure {
        Failure::failed(format!("the answer of {} broke off: {error}", self.base))
    }

    /// The answer, unless it is a refusal.
    ///
    /// # Errors
    /// What the refusal says, with its hint, or one of ours.
    pub(crate) fn accepted(&self, answer: Answer) -> Result<Answer, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let problem = self.json(answer).unwrap_or_default();
        let Some(detail) = problem["detail"].as_str() else {
            return Err(self.stranger(&status.as_u16().to_string()));
        };
        let failure = Failure::failed(detail.escape_debug().to_string());
        if let Some(hint) = problem["hint"].as_str() {
            return Err(failure.hint(hint.escape_debug().to_string()));
        }
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => failure.hint(format!(
                "`greenroom token new --user ops --admin` mints one; give it with `--token` or {}",
                env_vars::TOKEN
            )),
            StatusCode::NOT_FOUND if problem["code"] == "not_found" => {
                failure.hint(format!("{} may be older than this command", self.base))
            }
            _ => failure,
        })
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        if let Some(why) = trust::refused(error) {
            return Failure::failed(format!("{} is not trusted: {why}", self.base)).hint(
                "ask by a name that its certificate holds; SSL_CERT_FILE names another authority, \
                 and `greenroom health --insecure` asks whoever answers",
            );
        }
        let why = match error {
            ureq::Error::Io(error) => error.to_string(),
            ureq::Error::Timeout(_) => "no answer in time".to_owned(),
            ureq::Error::HostNotFound => "the name has no address".to_owned(),
            other => other.to_string(),
        };
        Failure::failed(format!("cannot reach {}: {why}", self.base))
            .hint("is it running? `greenroom dev` starts one; `--server URL` asks another")
    }

    /// An answer that no Greenroom gives.
    pub(crate) fn stranger(&self, what: &str) -> Failure {
        Failure::failed(format!("{} answered {what}", self.base)).hint("is that a Greenroom?")
    }
}

/// The token of the options, else the one in the file that the environment names.
fn token(global: &GlobalOptions) -> Result<Option<String>, Failure> {
    let file = env_vars::get(env_vars::TOKEN_FILE).filter(|_| global.token.is_none());
    let Some(file) = file else {
        return Ok(global.token.clone());
    };
    let text = std::fs::read_to_string(&file).map_err(|error| {
        Failure::usage(format!("cannot read the token in {file}: {error}")).hint(format!(
            "{} names a file that holds it",
            env_vars::TOKEN_FILE
        ))
    })?;
    Ok(Some(text.trim().to_owned()))
}

/// The address of a server without the slash at its end.
fn base_of(url: &str) -> Result<String, Failure> {
    let refuse = || {
        Failure::usage(format!("`{url}` is not an http address"))
            .hint("write `http://127.0.0.1:8080`")
    };
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .ok_or_else(refuse)?;
    let authority = rest.split('/').next().unwrap_or_default();
    let strange = |c: char| c.is_control() || c.is_whitespace() || "@?#".contains(c);
    if authority.is_empty() || url.contains(strange) {
        return Err(refuse());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_typed() {
        let check = |url: &str, expected: Option<&str>| {
            assert_eq!(base_of(url).ok().as_deref(), expected, "{url}");
        };
        check("http://a:1", Some("http://a:1"));
        check("http://a/", Some("http://a"));
        check("http://a:1/base/", Some("http://a:1/base"));
        check("http://[::1]:81", Some("http://[::1]:81"));
        check("https://a/", Some("https://a"));
        check("a:1", None);
        check("http://", None);
        check("http:///x", None);
        check("http://me@a", None);
        check("http://a/?x", None);
        check("http://a/\r\nX: y", None);
    }
}
