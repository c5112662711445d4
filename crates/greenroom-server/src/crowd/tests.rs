use std::net::IpAddr;

use super::{Crowd, Full};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_address_has_no_more_than_it_may() {
    let crowd = Crowd::new(Some(2));
    let first = crowd.enter(ip("1.2.3.4")).unwrap();
    let _second = crowd.enter(ip("::ffff:1.2.3.4")).unwrap();
    assert_eq!(crowd.enter(ip("1.2.3.4")).unwrap_err(), Full);
    let _other = crowd.enter(ip("1.2.3.5")).unwrap();
    drop(first);
    let _third = crowd.enter(ip("1.2.3.4")).unwrap();
}

#[test]
fn a_subscriber_of_ipv6_is_one() {
    let crowd = Crowd::new(Some(1));
    let place = crowd.enter(ip("2001:db8::1")).unwrap();
    assert_eq!(crowd.enter(ip("2001:db8::ffff:2")).unwrap_err(), Full);
    let _next = crowd.enter(ip("2001:db8:0:1::1")).unwrap();
    drop(place);
    let _again = crowd.enter(ip("2001:db8::2")).unwrap();
}

#[test]
fn who_is_gone_is_forgotten() {
    let crowd = Crowd::new(Some(1));
    drop(crowd.enter(ip("1.2.3.4")).unwrap());
    assert!(crowd.counts.lock().unwrap().is_empty());
    let unlimited = Crowd::new(None);
    let _a = unlimited.enter(ip("1.2.3.4")).unwrap();
    assert!(unlimited.counts.lock().unwrap().is_empty());
}
