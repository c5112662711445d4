use super::*;

#[test]
fn y_websocket_messages() {
    let dialect = Dialect::Yjs;
    assert_eq!(dialect.path("a"), "/yjs/a");
    assert_eq!(dialect.hello("a"), [vec![0, 0, 1, 0]]);
    assert_eq!(dialect.read(&[0, 0, 1, 0]), Incoming::Ask);
    assert_eq!(dialect.read(&[0, 1, 1, 5]), Incoming::InStep(&[1, 5]));
    assert_eq!(dialect.read(&[0, 2, 1, 5]), Incoming::Content(&[1, 5]));
    assert_eq!(dialect.read(&[1, 1, 5]), Incoming::Content(&[1, 5]));
    assert_eq!(dialect.read(&[102, 1, 5]), Incoming::Other);
    assert_eq!(dialect.read(&[]), Incoming::Other);
}

#[test]
fn hocuspocus_messages_name_their_room() {
    let dialect = Dialect::Hocuspocus;
    assert_eq!(
        dialect.hello("ab"),
        [
            vec![2, b'a', b'b', 2, 0, 0],
            vec![2, b'a', b'b', 0, 0, 1, 0]
        ]
    );
    assert_eq!(dialect.answer("ab"), [2, b'a', b'b', 0, 1, 2, 0, 0]);
    assert_eq!(
        dialect.read(&[2, b'a', b'b', 0, 2, 1, 5]),
        Incoming::Content(&[1, 5])
    );
}
