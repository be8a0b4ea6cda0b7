//! A mark of what a caller can see of an object: whose records, and which fields.

use auth::{Access, Context, RowPredicate};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The mark. Another one means that there may be records or fields to be forgotten, or to be read, of which no event tells. The same in every
/// instance and release.
pub(super) fn of(cx: &Context, object: &str) -> u64 {
    mark(&cx.snapshot.predicate(object, "read"), &cx.mask(object).names(Access::None))
}

fn mark(predicate: &RowPredicate, hidden: &[String]) -> u64 {
    let mut digest = Sha256::new();
    add(&mut digest, predicate);
    for name in hidden {
        digest.update((name.len() as u64).to_be_bytes());
        digest.update(name.as_bytes());
    }
    let digest: [u8; 32] = digest.finalize().into();
    let [first, ..] = digest.as_chunks::<8>().0 else { return 0 };
    u64::from_be_bytes(*first)
}

fn add(digest: &mut Sha256, predicate: &RowPredicate) {
    let mut ids = |kind: u8, ids: &[Uuid]| {
        let mut ids = ids.to_vec();
        ids.sort();
        digest.update([kind]);
        digest.update((ids.len() as u64).to_be_bytes());
        ids.iter().for_each(|id| digest.update(id.as_bytes()));
    };
    match predicate {
        RowPredicate::Always => ids(1, &[]),
        RowPredicate::Never => ids(2, &[]),
        RowPredicate::OwnerIn(users) => ids(3, users),
        RowPredicate::TeamIn(teams) => ids(4, teams),
        RowPredicate::AnyOf(parts) => {
            ids(5, &[]);
            digest.update((parts.len() as u64).to_be_bytes());
            parts.iter().for_each(|part| add(digest, part));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_changes_with_the_rows_and_the_fields_and_not_with_the_order_of_ids() {
        let id = Uuid::from_u128;
        let owners = |ids: &[u128]| RowPredicate::OwnerIn(ids.iter().copied().map(id).collect());
        let none: [String; 0] = [];
        assert_eq!(mark(&owners(&[1, 2]), &none), mark(&owners(&[2, 1]), &none));
        let hidden = ["custom.budget".to_owned()];
        let marks = [
            mark(&RowPredicate::Always, &none),
            mark(&RowPredicate::Always, &hidden),
            mark(&RowPredicate::Never, &none),
            mark(&owners(&[1]), &none),
            mark(&owners(&[1, 2]), &none),
            mark(&RowPredicate::TeamIn(vec![id(1)]), &none),
            mark(&RowPredicate::AnyOf(vec![owners(&[1]), RowPredicate::TeamIn(vec![id(1)])]), &none),
        ];
        let distinct: std::collections::BTreeSet<u64> = marks.into_iter().collect();
        assert_eq!(distinct.len(), marks.len());
    }
}
