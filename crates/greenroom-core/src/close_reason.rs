//! Why the server ends a connection, and how each protocol says so: one enum, one table.

/// The wire format of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// y-websocket on `/yjs`.
    Yjs,
    /// A service's raw frames on `/ws/room`.
    Raw,
    /// Hocuspocus on `/hocuspocus`: many sessions on one connection.
    Hocuspocus,
    /// y-sweet on `/d`: y-websocket and the question whether all is saved.
    Ysweet,
}

impl Protocol {
    /// Every protocol, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Yjs, Self::Raw, Self::Hocuspocus, Self::Ysweet];

    /// Whether a peer still holds what it sent, and sends it again when it is asked: then a lost
    /// write costs it nothing and it stays connected.
    #[must_use]
    pub const fn resends(self) -> bool {
        match self {
            Self::Yjs | Self::Hocuspocus | Self::Ysweet => true,
            Self::Raw => false,
        }
    }

    /// Whether a peer is told of each of its writes that it is on stable storage.
    #[must_use]
    pub const fn acknowledges(self) -> bool {
        match self {
            Self::Hocuspocus | Self::Ysweet => true,
            Self::Yjs | Self::Raw => false,
        }
    }

    /// The word for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yjs => "yjs",
            Self::Raw => "raw",
            Self::Hocuspocus => "hocuspocus",
            Self::Ysweet => "ysweet",
        }
    }
}

/// Why the server ends a session or its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// The server stops or restarts.
    Shutdown,
    /// The peer reads too slowly.
    Slow,
    /// The peer sent what its protocol does not allow.
    Malformed,
    /// A message or a document is larger than allowed.
    TooLarge,
    /// No token, or one that is not ours.
    Unauthenticated,
    /// The token's time is over.
    Expired,
    /// The token does not reach so far.
    Forbidden,
    /// The room was deleted.
    Deleted,
    /// An operator or the service sent it away.
    Kicked,
    /// The room is on another node now.
    Moved,
    /// The room has as many connections as it may have.
    RoomFull,
    /// The room faulted, cannot be loaded, or holds this sender off.
    RoomFault,
    /// The peer sent more than may wait for rooms that do not take it yet.
    Overrun,
}

/// What a peer that is closed should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Connect again, as it backs off anyway.
    Again,
    /// Get a new token first.
    NewToken,
    /// Do not come back by itself.
    Never,
}

/// A WebSocket close: the code, what it means for coming back, and a sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The close code, 1000 to 4999.
    pub code: u16,
    /// What the peer should do.
    pub retry: Retry,
    /// Sent as the close reason; at most 123 bytes.
    pub text: &'static str,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::Shutdown,
        Self::Slow,
        Self::Malformed,
        Self::TooLarge,
        Self::Unauthenticated,
        Self::Expired,
        Self::Forbidden,
        Self::Deleted,
        Self::Kicked,
        Self::Moved,
        Self::RoomFull,
        Self::RoomFault,
        Self::Overrun,
    ];

    /// The word for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unauthenticated => "unauthenticated",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::Deleted => "deleted",
            Self::Kicked => "kicked",
            Self::Moved => "moved",
            Self::RoomFull => "room_full",
            Self::RoomFault => "room_fault",
            Self::Overrun => "overrun",
        }
    }

    /// How `protocol` says this.
    ///
    /// On `/yjs` 4400 to 4499 are permanent since y-websocket 3.1 and everything else is
    /// transient; 4408 and 4429 are never used, because other Yjs servers send them for passing
    /// conditions. An expired token is transient there: the provider builds its URL anew for each
    /// attempt, so that the next one carries a fresh token.
    #[must_use]
    pub const fn close(self, protocol: Protocol) -> Close {
        let code = match protocol {
            // To a y-sweet client no code means anything.
            Protocol::Yjs | Protocol::Ysweet => self.yjs_code(),
            Protocol::Raw => self.raw_code(),
            Protocol::Hocuspocus => self.hocuspocus_code(),
        };
        Close {
            code,
            retry: self.retry(),
            text: self.text(),
        }
    }

    const fn yjs_code(self) -> u16 {
        match self {
            Self::Shutdown => 1012,
            Self::Slow => 4500,
            Self::Malformed | Self::TooLarge => 4400,
            Self::Unauthenticated => 4401,
            Self::Expired => 4501,
            Self::Forbidden | Self::Kicked => 4403,
            Self::Deleted => 4404,
            Self::Moved => 4502,
            Self::RoomFull => 4503,
            Self::RoomFault => 4504,
            Self::Overrun => 4505,
        }
    }

    // The codes of Hocuspocus where it has one. Its provider comes back after each of them: what is
    // to stay away is told so by a message about the one document instead.
    const fn hocuspocus_code(self) -> u16 {
        match self {
            Self::Shutdown => 1012,
            Self::TooLarge => 1009,
            Self::Slow | Self::Moved | Self::RoomFull | Self::RoomFault | Self::Overrun => 4205,
            Self::Malformed => 4400,
            Self::Unauthenticated | Self::Expired => 4401,
            Self::Forbidden | Self::Kicked => 4403,
            Self::Deleted => 4404,
        }
    }

    // Liveblocks' bands: 4000 to 4099 try again, 4100 to 4199 with a new token, 4001 and 4900
    // upwards stay away.
    const fn raw_code(self) -> u16 {
        match self {
            Self::Shutdown => 1012,
            Self::Slow => 4010,
            Self::Malformed => 4900,
            Self::TooLarge => 4901,
            Self::Unauthenticated => 4001,
            Self::Expired => 4109,
            Self::Forbidden => 4903,
            Self::Deleted => 4904,
            Self::Kicked => 4905,
            Self::Moved => 4011,
            Self::RoomFull => 4005,
            Self::RoomFault => 4012,
            Self::Overrun => 4013,
        }
    }

    const fn retry(self) -> Retry {
        match self {
            Self::Shutdown
            | Self::Slow
            | Self::Moved
            | Self::RoomFull
            | Self::RoomFault
            | Self::Overrun => Retry::Again,
            Self::Expired => Retry::NewToken,
            Self::Malformed
            | Self::TooLarge
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::Deleted
            | Self::Kicked => Retry::Never,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown: the server restarts, connect again",
            Self::Slow => "slow: too much was waiting for you, connect again",
            Self::Malformed => "malformed: a message does not follow the protocol",
            Self::TooLarge => "too_large: a message or the document is larger than allowed",
            Self::Unauthenticated => "unauthenticated: the token is missing or not valid here",
            Self::Expired => "expired: the token's time is over, connect with a new one",
            Self::Forbidden => "forbidden: the token does not allow this room",
            Self::Deleted => "deleted: the room was deleted",
            Self::Kicked => "kicked: you were sent away",
            Self::Moved => "moved: the room is on another node, connect again",
            Self::RoomFull => "room_full: the room has all the connections it may have",
            Self::RoomFault => "room_fault: the room cannot serve you now, try later",
            Self::Overrun => {
                "overrun: too much was sent before a room could take it, connect again"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_keeps_its_band() {
        for reason in CloseReason::ALL {
            let permanent = reason.retry() == Retry::Never;
            let yjs = reason.close(Protocol::Yjs).code;
            assert_eq!(
                (4400..4500).contains(&yjs),
                permanent,
                "{reason:?} on yjs: {yjs}"
            );
            assert!(![4408, 4429].contains(&yjs));
            let raw = reason.close(Protocol::Raw).code;
            let stays_away = raw == 4001 || raw >= 4900;
            assert_eq!(stays_away, permanent, "{reason:?} on raw: {raw}");
            let hocuspocus = reason.close(Protocol::Hocuspocus).code;
            assert!(![4408, 4429].contains(&hocuspocus));
            let new_token = (4100..4200).contains(&raw);
            assert_eq!(new_token, reason.retry() == Retry::NewToken);
        }
    }

    #[test]
    fn the_table_is_what_clients_were_told() {
        let codes: Vec<_> = CloseReason::ALL
            .iter()
            .map(|r| {
                (
                    r.name(),
                    r.close(Protocol::Yjs).code,
                    r.close(Protocol::Raw).code,
                    r.close(Protocol::Hocuspocus).code,
                )
            })
            .collect();
        assert_eq!(
            codes,
            [
                ("shutdown", 1012, 1012, 1012),
                ("slow", 4500, 4010, 4205),
                ("malformed", 4400, 4900, 4400),
                ("too_large", 4400, 4901, 1009),
                ("unauthenticated", 4401, 4001, 4401),
                ("expired", 4501, 4109, 4401),
                ("forbidden", 4403, 4903, 4403),
                ("deleted", 4404, 4904, 4404),
                ("kicked", 4403, 4905, 4403),
                ("moved", 4502, 4011, 4205),
                ("room_full", 4503, 4005, 4205),
                ("room_fault", 4504, 4012, 4205),
                ("overrun", 4505, 4013, 4205),
            ]
        );
    }

    #[test]
    fn reasons_fit_a_close_frame() {
        for reason in CloseReason::ALL {
            let text = reason.text();
            assert!(text.len() <= 123 && text.starts_with(reason.name()));
        }
    }
}
