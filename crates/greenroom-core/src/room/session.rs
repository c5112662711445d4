//! Who is in a room: the membership itself is [`Session`], its way out is [`Link`].

use greenroom_service::{ConnId, Rights, Session, SessionId, UserId};

use crate::close_reason::Protocol;

/// What a connection says of a session that wants to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The connection that carries it; one may carry several sessions.
    pub conn: ConnId,
    /// The identity that the edge authenticated.
    pub user: Option<UserId>,
    /// The rights that its credential gives.
    pub rights: Rights,
    /// The wire format it speaks.
    pub protocol: Protocol,
    /// The document it is about, where the protocol is about one: `""` is the default document.
    pub document: String,
    /// Whether its connection takes compressed frames (permessage-deflate, RFC 7692).
    pub deflate: bool,
    /// Where it comes from (an address), to hold off an anonymous sender that made the room fault.
    pub origin: String,
}

impl Hello {
    /// The membership that this becomes.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Session {
        Session {
            id,
            user: self.user.clone(),
            rights: self.rights,
            tag: None,
        }
    }

    /// The way out that this becomes.
    #[must_use]
    pub fn into_link(self) -> Link {
        let sender = match &self.user {
            Some(user) => format!("user {user}"),
            None => format!("origin {}", self.origin),
        };
        Link {
            conn: self.conn,
            protocol: self.protocol,
            document: self.document,
            sender,
        }
    }
}

/// What the core knows of a session besides its membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The connection that carries it.
    pub conn: ConnId,
    /// The wire format it speaks.
    pub protocol: Protocol,
    /// The document it is about.
    pub document: String,
    /// Whom to hold off when it makes the room fault: the user, or else where it comes from.
    pub sender: String,
}
