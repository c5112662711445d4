use proptest::prelude::*;

use super::*;

/// What a test does to the set.
#[derive(Clone, Debug)]
enum Step {
    Insert(u32, u32),
    Remove(u32, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let range = (0u32..64, 0u32..16);
    prop_oneof![
        3 => range.clone().prop_map(|(start, len)| Step::Insert(start, start + len)),
        1 => range.prop_map(|(start, len)| Step::Remove(start, start + len)),
    ]
}

proptest! {
    #[test]
    fn is_the_set_of_its_clocks(steps in prop::collection::vec(step(), 0..40), start in 0u32..80, len in 0u32..20) {
        let mut set = Intervals::default();
        let mut model = [false; 100];
        for step in steps {
            match step {
                Step::Insert(start, end) => {
                    set.insert(start, end);
                    model[start as usize..end as usize].fill(true);
                }
                Step::Remove(start, end) => {
                    set.remove(start, end);
                    model[start as usize..end as usize].fill(false);
                }
            }
        }
        for (clock, &there) in model.iter().enumerate() {
            prop_assert_eq!(set.contains(clock as u32), there, "clock {}", clock);
        }
        let ranges: Vec<_> = set.ranges().collect();
        prop_assert!(ranges.iter().all(|(start, end)| start < end));
        prop_assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "ranges touch");
        let prefix = model.iter().take_while(|there| **there).count();
        prop_assert_eq!(set.prefix_end() as usize, prefix);
        prop_assert_eq!(set.is_prefix(), model.iter().filter(|there| **there).count() == prefix);

        let end = start + len;
        let wanted = &model[start as usize..end as usize];
        if len > 0 {
            prop_assert_eq!(set.covers(start, end), wanted.iter().all(|there| *there));
        }
        let mut filled = set.clone();
        let mut gaps = 0;
        for (from, to) in set.gaps(start, end) {
            prop_assert!(start <= from && from < to && to <= end);
            gaps += to - from;
            filled.insert(from, to);
        }
        prop_assert_eq!(gaps as usize, wanted.iter().filter(|there| !**there).count());
        prop_assert!(len == 0 || filled.covers(start, end));
    }
}
