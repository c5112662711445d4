use super::*;

fn about(message: &str) -> About {
    let text = str::to_owned;
    About {
        message: text(message),
        room: text("my-room"),
        user: text("alice"),
        kind: text("collab"),
        protocol: text("yjs"),
        reason: text("slow"),
        why: text("it reads too slowly"),
        sessions: 2,
        protocols: 1,
    }
}

#[test]
fn each_event_is_a_line() {
    let check = |about: About, expected: &str| assert_eq!(about.line("T", false), expected);
    check(
        about("opened"),
        "T  *             my-room           opened, collab",
    );
    check(
        about("joined"),
        "T  + alice       my-room           yjs         2 sessions",
    );
    let two = About {
        protocols: 2,
        user: String::new(),
        ..about("joined")
    };
    check(
        two,
        "T  + somebody    my-room           yjs         2 sessions, 2 protocols",
    );
    check(
        about("left"),
        "T  - alice       my-room           left        2 sessions",
    );
    check(
        about("sent away"),
        "T  ! alice       my-room           slow: it reads too slowly",
    );
}

#[test]
fn colours_and_names_end_where_they_should() {
    let hostile = About {
        user: "\u{1b}[2Jeve".to_owned(),
        ..about("left")
    };
    let line = hostile.line("T", true);
    assert!(
        line.starts_with("\u{1b}[2mT\u{1b}[0m  \u{1b}[2m- \u{fffd}[2Jeve"),
        "{line:?}"
    );
    assert!(line.ends_with(RESET), "{line:?}");
}
