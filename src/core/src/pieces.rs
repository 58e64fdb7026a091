//! Long lists, worked on by several threads at once, with the result that one thread would give.

/// Threads at most. The core knows no machine: more than its processors cost a few microseconds, fewer than them leave
/// some idle for what never takes longer than seconds.
const THREADS: usize = 4;

/// Works on pieces of a list, each of at least so many members, and gives their results in the order of the list.
pub(crate) fn in_pieces<T: Sync, R: Send>(
    list: &[T],
    at_least: usize,
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let size = list.len().div_ceil(THREADS).max(at_least);
    if list.len() <= size {
        return vec![work(list)];
    }
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = list.chunks(size).map(|piece| scope.spawn(move || work(piece))).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_list_in_its_order() {
        for (length, at_least, pieces) in [(0, 1, 1), (3, 10, 1), (10, 3, 4), (9, 2, 3), (1000, 10, 4)] {
            let list: Vec<usize> = (0..length).collect();
            let found = in_pieces(&list, at_least, <[usize]>::to_vec);
            assert_eq!(found.len(), pieces, "{length} by {at_least}");
            assert_eq!(found.concat(), list);
        }
    }
}
