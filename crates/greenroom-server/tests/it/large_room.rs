//! A room of more members than one turn writes to itself.

use crate::peer::{PING, PONG, Running, TEXT};

const MEMBERS: usize = 300;

#[tokio::test]
async fn everybody_hears_everything_in_order() {
    let server = Running::start(false).await;
    let mut members = Vec::new();
    for _ in 0..MEMBERS {
        members.push(server.join("relay/1", None).await);
    }
    for n in 0..100_u32 {
        members[n as usize % 3].send(TEXT, &text(n)).await;
        for (at, member) in members.iter_mut().enumerate() {
            if at != n as usize % 3 {
                member.expect(TEXT, &text(n)).await;
            }
        }
    }
    // Nothing came twice.
    for member in &mut members {
        member.send(PING, b"end").await;
        member.expect(PONG, b"end").await;
    }
    drop(members);
    server.stop().await;
}

#[tokio::test]
async fn who_goes_in_the_middle_takes_nobody_along() {
    let server = Running::start(false).await;
    let mut members = Vec::new();
    for _ in 0..MEMBERS {
        members.push(server.join("relay/1", None).await);
    }
    let mut speaker = members.remove(0);
    for n in 0..1_000_u32 {
        speaker.send(TEXT, &text(n)).await;
        if n % 10 == 0 {
            members.swap_remove(n as usize % members.len());
        }
    }
    for member in &mut members {
        for n in 0..1_000 {
            member.expect(TEXT, &text(n)).await;
        }
    }
    drop((speaker, members));
    server.stop().await;
}

fn text(n: u32) -> Vec<u8> {
    format!("message {n}").into_bytes()
}
