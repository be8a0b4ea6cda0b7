//! Which numbers the broker took, as PostgreSQL keeps them: a multirange for each [`BUCKET`] numbers of a lane.

use std::collections::BTreeMap;

/// Numbers in a row of `relay_sent`; the schema's functions know it, too.
pub(crate) const BUCKET: i64 = 1024;

/// A set of numbers as ranges, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers(Vec<(i64, i64)>);

impl Numbers {
    /// As the text of an `int8multirange`.
    pub(crate) fn text(&self) -> String {
        let ranges: Vec<String> = self.0.iter().map(|(first, last)| format!("[{first},{last}]")).collect();
        format!("{{{}}}", ranges.join(","))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn ranges(&self) -> &[(i64, i64)] {
        &self.0
    }

    /// The ranges between two numbers, these included.
    pub(crate) fn within(&self, first: i64, last: i64) -> impl Iterator<Item = (i64, i64)> {
        let start = self.0.partition_point(|(_, end)| *end < first);
        let some = self.0.iter().skip(start).take_while(move |(begin, _)| *begin <= last);
        some.map(move |(begin, end)| (first.max(*begin), last.min(*end)))
    }

    /// What is not in `others`.
    pub(crate) fn without(&self, others: &Self) -> Self {
        let mut left = Vec::new();
        for (first, last) in &self.0 {
            let mut from = *first;
            for (begin, end) in others.within(*first, *last) {
                if from < begin {
                    left.push((from, begin - 1));
                }
                from = end + 1;
            }
            if from <= *last {
                left.push((from, *last));
            }
        }
        Self(left)
    }
}

/// Ranges, first and last included.
impl FromIterator<(i64, i64)> for Numbers {
    fn from_iter<I: IntoIterator<Item = (i64, i64)>>(ranges: I) -> Self {
        let mut all = Vec::new();
        for (first, last) in ranges {
            match all.last_mut() {
                Some((_, end)) if *end + 1 == first => *end = last,
                _ => all.push((first, last)),
            }
        }
        Self(all)
    }
}

/// The buckets of `seqs` with what each gets.
pub(crate) fn buckets(seqs: &[i64]) -> (Vec<i64>, Vec<String>) {
    let mut sorted = seqs.to_vec();
    sorted.sort_unstable();
    let mut buckets: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    for seq in sorted {
        buckets.entry(seq / BUCKET).or_default().push((seq, seq));
    }
    buckets.into_iter().map(|(bucket, seqs)| (bucket, seqs.into_iter().collect::<Numbers>().text())).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_one_range_for_each_run_and_bucket() {
        let (at, sent) = buckets(&[7, 5, 6, 1, 1023, 1024, 3000]);
        assert_eq!(at, [0, 1, 2]);
        assert_eq!(sent, ["{[1,1],[5,7],[1023,1023]}", "{[1024,1024]}", "{[3000,3000]}"]);
        assert_eq!(buckets(&[]), (vec![], vec![]));
        assert_eq!(Numbers::default().text(), "{}");
    }

    #[test]
    fn a_set_without_another_is_what_only_the_first_has() {
        let numbers = |ranges: &[(i64, i64)]| ranges.iter().copied().collect::<Numbers>();
        let all = numbers(&[(1, 10), (20, 20), (30, 40), (50, 60)]);
        let known = numbers(&[(1, 2), (5, 5), (9, 15), (20, 20), (25, 29), (40, 50), (60, 99)]);
        assert_eq!(all.without(&known).text(), "{[3,4],[6,8],[30,39],[51,59]}");
        assert_eq!(all.without(&Numbers::default()), all);
        assert!(all.without(&all).is_empty());
        assert_eq!(all.within(5, 30).collect::<Vec<_>>(), [(5, 10), (20, 20), (30, 30)]);
    }
}
