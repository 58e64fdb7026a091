//! The word that a misspelled one was meant to be.

/// Longer words are names of which nobody mistypes most.
const LONGEST: usize = 64;

/// The word among those known that is nearest, if one is near; the first of several in their order. Case is ignored.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = |known: &'a str| {
        let distance = distance(&word, &known.to_lowercase());
        // One slip in any word, and one more in five letters.
        let letters = known.chars().count().min(word.chars().count());
        (distance <= 1 + letters / 5).then_some((distance, known))
    };
    known.into_iter().filter_map(near).min().map(|(_, known)| known)
}

/// The same as a hint.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|known| format!("did you mean `{known}`?"))
}

/// Edits (insertions, deletions, replacements, swaps of neighbours) from one word to the other: optimal string alignment.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(LONGEST).collect();
    let right: Vec<char> = right.chars().take(LONGEST).collect();
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for (row, a) in left.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let mut best = (rows[row][column] + usize::from(a != b))
                .min(rows[row][column + 1] + 1)
                .min(next[column] + 1);
            if row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b {
                best = best.min(rows[row - 1][column - 1] + 1);
            }
            next.push(best);
        }
        rows.push(next);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_or_two_is_found_and_another_word_is_not() {
        let known = ["until", "from", "reason", "department"];
        let found = |word| nearest(word, known);
        assert_eq!(found("untill"), Some("until"));
        assert_eq!(found("FORM"), Some("from"));
        assert_eq!(found("departmnet"), Some("department"));
        assert_eq!(found("risk"), None);
        assert_eq!(did_you_mean("reson", known).as_deref(), Some("did you mean `reason`?"));
    }
}
