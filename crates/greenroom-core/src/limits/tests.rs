use super::*;

#[test]
fn every_default_is_within_its_range() {
    let limits = Limits::default();
    for field in Limits::FIELDS {
        let value = field.get(&limits);
        assert!((field.min..=field.max).contains(&value), "{field:?}");
        assert!(field.max < 1 << 31, "{field:?} fits every integer");
    }
    assert_eq!(limits.check(), Ok(()));
}

#[test]
fn a_value_outside_the_range_changes_nothing() {
    let mut limits = Limits::default();
    let field = LimitField::find("faults_max").unwrap();
    assert_eq!(field.set(&mut limits, 0), Err(LimitRange(*field)));
    assert_eq!(limits, Limits::default());
    field.set(&mut limits, 7).unwrap();
    assert_eq!(field.get(&limits), 7);
    assert_eq!(limits.faults_max, 7);
}

#[test]
fn the_unit_is_in_the_name() {
    let unit = |name| LimitField::find(name).unwrap().unit();
    assert_eq!(unit("outbox_bytes_max"), LimitUnit::Bytes);
    assert_eq!(unit("presence_bytes_per_s_max"), LimitUnit::Bytes);
    assert_eq!(unit("commit_window_ms"), LimitUnit::Milliseconds);
    assert_eq!(unit("messages_per_s_max"), LimitUnit::Count);
}
