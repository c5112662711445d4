//! A service's raw frames: what the service sends is what the peer gets.

use bytes::Bytes;
use greenroom_service::{Message, Refuse};

use super::ServerMessage;
use super::websocket::{Opcode, frame};

/// Encodes a service's frame. A refusal has no frame of the service's own making, so it is a text
/// frame of JSON: `{"error":{"code":"..","reason":".."}}`.
#[must_use]
pub fn encode(message: &ServerMessage) -> Option<Bytes> {
    match message {
        ServerMessage::Frame(Message::Text(text)) => Some(frame(Opcode::Text, text.as_bytes())),
        ServerMessage::Frame(Message::Binary(bytes)) => Some(frame(Opcode::Binary, bytes)),
        ServerMessage::Refused(refuse) => {
            Some(frame(Opcode::Text, refused_json(refuse).as_bytes()))
        }
        ServerMessage::Yjs(..)
        | ServerMessage::LetIn(_)
        | ServerMessage::Saved
        | ServerMessage::SavedUntil(_) => None,
    }
}

fn refused_json(refuse: &Refuse) -> String {
    let mut json = String::from("{\"error\":{\"code\":\"");
    escape_json(refuse.code, &mut json);
    json.push_str("\",\"reason\":\"");
    escape_json(&refuse.reason, &mut json);
    json.push_str("\"}}");
    json
}

/// Appends `text` as the inside of a JSON string (RFC 8259, section 7).
fn escape_json(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_json_whatever_its_reason_holds() {
        let json = refused_json(&Refuse::new("full", "say \"no\"\n\\"));
        assert_eq!(
            json,
            r#"{"error":{"code":"full","reason":"say \"no\"\u000a\\"}}"#
        );
    }
}
