use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn it_holds_what_a_tree_holds(steps in prop::collection::vec((0..3u8, 0..12u64), 0..100)) {
        let mut list = BySession::default();
        let mut tree = BTreeMap::new();
        for (n, (kind, id)) in steps.into_iter().enumerate() {
            let id = SessionId(id);
            match kind {
                0 if !tree.contains_key(&id) => {
                    list.insert(id, n);
                    tree.insert(id, n);
                }
                1 => prop_assert_eq!(list.remove(id), tree.remove(&id)),
                _ => {
                    prop_assert_eq!(list.get(id), tree.get(&id));
                    prop_assert_eq!(list.get_mut(id), tree.get_mut(&id));
                }
            }
        }
        let all: Vec<_> = list.iter_mut().map(|(id, n)| (id, *n)).collect();
        prop_assert_eq!(all, tree.into_iter().collect::<Vec<_>>());
    }
}
