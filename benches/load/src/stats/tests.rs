use super::*;

#[test]
fn few_samples_give_their_whole_range() {
    assert_eq!(median(&[]), None);
    let seven = median(&[3.0, 1.0, 2.0, 7.0, 6.0, 5.0, 4.0]).unwrap();
    assert_eq!((seven.value, seven.low, seven.high), (4.0, 1.0, 7.0));
    assert_eq!(seven.confidence, 1.0 - 2.0 / 128.0);
}

#[test]
fn more_samples_give_a_narrower_interval() {
    let samples: Vec<f64> = (1..=10).map(f64::from).collect();
    let ten = median(&samples).unwrap();
    assert_eq!((ten.value, ten.low, ten.high), (5.5, 2.0, 9.0));
    assert_eq!(ten.confidence, 1.0 - 2.0 * 11.0 / 1024.0);
}
