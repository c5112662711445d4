use super::*;

#[test]
fn doors_are_named_as_a_browser_reaches_them() {
    assert_eq!(
        doors("127.0.0.1:8080".parse().unwrap()),
        "
  Open        http://localhost:8080/          demo page, two tabs are enough
  Console     http://localhost:8080/console   rooms, people, what needs attention
  Keys        pk_localdev  sk_localdev

  Connect what you have:
    y-websocket          new WebsocketProvider(\"ws://localhost:8080/yjs\", \"my-room\", doc)
    Hocuspocus           new HocuspocusProvider({ url: \"ws://localhost:8080/hocuspocus\", name: \"my-room\" })
    y-sweet              new DocumentManager(\"ys://sk_localdev@localhost:8080\")
"
    );
    assert!(doors("0.0.0.0:81".parse().unwrap()).contains("http://localhost:81/"));
    assert!(doors("192.168.1.5:81".parse().unwrap()).contains("http://192.168.1.5:81/"));
}
