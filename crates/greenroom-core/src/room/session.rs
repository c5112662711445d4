//! Who is in a room: the membership itself is [`Session`], its way out is [`Link`].

use greenroom_service::{ConnId, Millis, Rights, Session, SessionId, UserId};

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
    /// What its frames are addressed with on its connection, where the protocol has addresses.
    pub address: String,
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

    /// Whom to hold off when it makes the room fault.
    #[must_use]
    pub fn sender(&self) -> String {
        match &self.user {
            Some(user) => format!("user {user}"),
            None => format!("origin {}", self.origin),
        }
    }

    /// The way out that this becomes, for a session that joins at `now`.
    #[must_use]
    pub fn into_link(self, now: Millis) -> Link {
        let sender = self.sender();
        Link {
            joined: now,
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
    /// Room time of its join.
    pub joined: Millis,
}
